"""The pages Collections, Bulk and System, in Chromium against a real service."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from app.wiring.services import open_database
from harness.servers import Server, running
from tests.conftest import make_settings
from tests.console.accessibility import violations
from tests.models import SHIPPED
from tests.store.galleries import add_people, made_up_people

PEOPLE = 160
DIMENSION = 256
Photos = dict[str, bytes]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with the gallery `crowd` of made-up people."""
    folder = tmp_path_factory.mktemp("data")
    with running(folder) as started:
        body = {"name": "crowd"}
        httpx2.post(f"{started.url}/collections", json=body, timeout=60).raise_for_status()
        database = open_database(make_settings(folder))
        add_people(database, "crowd", made_up_people(PEOPLE, 2, DIMENSION))
        database.close()
        yield started


def test_a_gallery_is_created_and_its_options_are_changed(page: Page, server: Server) -> None:
    page.goto("#/collections")
    page.get_by_role("button", name="New gallery").click()
    page.get_by_label("Name", exact=True).fill("lobby")
    page.get_by_role("spinbutton", name="False match rate").fill("0.0001")
    assert violations(page) == []
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("lobby")
    expect(page.get_by_role("spinbutton", name="False match rate")).to_have_value("0.0001")
    page.get_by_role("spinbutton", name="Visitors").fill("30")
    page.get_by_role("spinbutton", name="False match rate").fill("")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.get_by_role("button", name="Save").click()
    found = httpx2.get(f"{server.url}/collections/lobby", timeout=60).json()
    assert (found["visitors"], found["target_fmr"]) == ({"days": 30}, None)


def test_a_gallery_is_calibrated_exported_imported_and_deleted(
    page: Page, server: Server, tmp_path: Path
) -> None:
    page.goto("#/collections/crowd")
    expect(page.locator(".curve-fmr")).to_have_count(1)
    page.get_by_role("button", name="Calibrate on these people").click()
    expect(page.get_by_text("160 people, 320 photos")).to_be_visible()
    expect(page.locator(".closest")).to_contain_text("Most similar pairs of people")
    assert violations(page) == []
    page.get_by_role("button", name="Return to the model's calibration").click()
    expect(page.get_by_text("160 people, 320 photos")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as an archive").click()
    archive = tmp_path / download.value.suggested_filename
    download.value.save_as(archive)
    assert archive.name == "crowd.sima"
    page.goto("#/collections")
    page.get_by_role("button", name="Import an archive").click()
    page.get_by_label("Archive", exact=True).set_input_files(archive)
    page.get_by_label("Name", exact=True).fill("copy")
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("copy")
    assert httpx2.get(f"{server.url}/collections/copy", timeout=60).json()["size"] == PEOPLE
    page.get_by_role("button", name="Delete the collection").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("copy is deleted.")).to_be_visible()
    assert httpx2.get(f"{server.url}/collections/copy", timeout=60).status_code == 404


def test_a_folder_is_enrolled_and_not_sent_again(
    page: Page, server: Server, photos: Photos, tmp_path: Path
) -> None:
    for name, photo in {
        "Barack_Obama/1.jpg": "obama",
        "Barack_Obama/2.jpg": "obama3",
        "Joe_Biden/1.jpg": "biden",
        "Nobody/coffee.jpg": "coffee",
    }.items():
        file = tmp_path / "people" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(photos[photo])
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url) if "/enroll?" in one.url else None)
    page.goto("#/bulk")
    for numbers in ("3 enrolled1 refused4 of 4", "3 enrolled before1 refused4 of 4"):
        page.get_by_label("Choose a folder").set_input_files(tmp_path / "people")
        page.get_by_role("combobox", name="Collection", exact=True).select_option("default")
        expect(page.get_by_text("3 people, 4 photos")).to_be_visible()
        page.get_by_role("button", name="Enroll", exact=True).click()
        expect(page.get_by_text("Finished.")).to_be_visible(timeout=60_000)
        expect(page.locator(".badges")).to_have_text(numbers)
        row = page.get_by_role("row").filter(has_text="coffee.jpg")
        expect(row).to_contain_text("The photo shows no face.")
        assert violations(page) == []
        page.reload()
    assert len(sent) == 5, "the second run sends the refused photo only"
    people = httpx2.get(f"{server.url}/persons", timeout=60).json()["persons"]
    assert {one["name"]: one["photos"] for one in people} == {"Barack Obama": 2, "Joe Biden": 1}


def test_the_system_is_shown_and_keys_are_made(page: Page, server: Server) -> None:
    page.goto("#/system")
    expect(page.get_by_role("heading", name=f"Model card: {SHIPPED.name}")).to_be_visible()
    expect(page.get_by_text(re.compile("caught up|changes? behind"))).to_be_visible()
    assert violations(page) == []
    page.goto("#/system/requests")
    expect(page.get_by_role("row").filter(has_text="GET /console/")).to_be_visible()
    assert violations(page) == []
    page.goto("#/system/keys")
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name", exact=True).fill("operator")
    page.get_by_label("Role", exact=True).select_option("admin")
    assert violations(page) == []
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_text("This page uses it from now on")).to_be_visible()
    operator = page.locator(".new-key").inner_text()
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    expect(page.get_by_role("row").filter(has_text="operator")).to_contain_text("active")
    assert httpx2.get(f"{server.url}/persons", timeout=60).status_code == 401
    page.get_by_role("button", name="New key").click()
    page.get_by_label("Name", exact=True).fill("door")
    page.get_by_label("Collections", exact=True).fill("lobby, default")
    page.get_by_role("button", name="Create", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    door = page.get_by_role("row").filter(has_text="door")
    expect(door).to_contain_text("default, lobby")
    door.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(door).to_contain_text("revoked")
    page.goto("#/system/audit")
    expect(page.get_by_role("row").filter(has_text="api_key.revoke")).to_be_visible()
    assert violations(page) == []
    page.goto("#/system/erasures")
    expect(page.get_by_role("heading", level=1)).to_have_text("System")
    assert violations(page) == []
    keys = {"X-API-Key": operator}
    assert httpx2.get(f"{server.url}/api-keys", headers=keys, timeout=60).status_code == 200
