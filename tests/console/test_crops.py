"""Crops of faces on the page People, in Chromium against a service that stores them."""

from collections.abc import Iterator
from typing import Literal

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from app.crypto.keyring import new_key
from harness.servers import Server, running
from tests.conftest import upload
from tests.console.accessibility import violations
from tests.console.photos import drop

Photos = dict[str, bytes]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with encryption keys that stores crops."""
    storage = {"SIMA_STORE_CROPS": "true", "SIMA_ENCRYPTION_KEYS": new_key()}
    with running(tmp_path_factory.mktemp("data"), **storage) as started:
        yield started


@pytest.fixture
def people(server: Server, photos: Photos) -> dict[str, str]:
    """The ids of two people by name; nobody else is enrolled."""
    httpx2.delete(f"{server.url}/collections/default", timeout=60).raise_for_status()
    found = {}
    for name, photo in (("Barack Obama", "obama"), ("Joe Biden", "biden")):
        answer = httpx2.post(
            f"{server.url}/enroll", files=upload(photos[photo]), data={"name": name}, timeout=60
        )
        found[name] = str(answer.raise_for_status().json()["person_id"])
    return found


def expect_crops(pictures: Locator, number: int) -> None:
    """There are so many crops in the pictures, each decoded."""
    images = pictures.locator("img")
    expect(images).to_have_count(number)
    for place in range(number):
        expect(images.nth(place)).to_have_js_property("naturalWidth", 112)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_grid_shows_crops(
    page: Page, people: dict[str, str], scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto("#/people")
    pictures = page.locator(".people-grid .avatar")
    expect_crops(pictures, 2)
    expect(pictures).to_have_text(["", ""])
    assert violations(page) == []


def test_a_person_shows_the_crop_of_every_photo_until_it_is_removed(
    page: Page, server: Server, people: dict[str, str], photos: Photos
) -> None:
    page.goto(f"#/people/{people['Barack Obama']}")
    drop(page.locator(".drop"), photos["obama3"])
    expect_crops(page.locator(".photo-entry .photo-crop"), 2)
    expect(page.get_by_role("img", name="The face in this photo")).to_have_count(2)
    expect_crops(page.locator(".person-heading .avatar"), 1)
    assert violations(page) == []
    for left in (1, 0):
        page.get_by_role("button", name="Remove", exact=True).first.click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        receipt = page.get_by_role("dialog", name="Erasure receipt")
        expect(receipt.locator("dt:text-is('Crops') + dd")).to_have_text("1")
        page.keyboard.press("Escape")
        expect(page.locator(".photo-entry .photo-crop img")).to_have_count(left)
    expect(page.locator(".person-heading .avatar")).to_have_text("BO")


def test_likely_duplicates_show_crops(
    page: Page, server: Server, people: dict[str, str], photos: Photos
) -> None:
    data = {"name": "Obama", "on_duplicate": "allow"}
    files = upload(photos["obama3"])
    httpx2.post(f"{server.url}/enroll", files=files, data=data, timeout=60).raise_for_status()
    page.goto("#/people?show=duplicates")
    expect_crops(page.locator(".pair-people .avatar"), 2)
    assert violations(page) == []


def test_the_dialog_of_a_merge_shows_crops(page: Page, people: dict[str, str]) -> None:
    page.goto(f"#/people/{people['Barack Obama']}")
    page.get_by_role("button", name="Merge into").click()
    choice = page.get_by_role("dialog").get_by_role("button", name="Joe Biden")
    expect_crops(choice.locator(".avatar"), 1)


def test_without_the_permission_initials_remain(
    page: Page, server: Server, people: dict[str, str]
) -> None:
    keys = httpx2.Client(base_url=server.url, timeout=60)
    admin = keys.post("/api-keys", json={"name": "admin", "role": "admin"}).json()
    reader = keys.post(
        "/api-keys",
        json={"name": "reader", "role": "read"},
        headers={"X-API-Key": admin["key"]},
    ).json()
    page.goto("#/people")
    page.get_by_role("dialog").get_by_label("API key").fill(reader["key"])
    with page.expect_response("**/crop") as refused:
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
    assert refused.value.status == 403
    expect(page.locator(".people-grid .avatar")).to_have_text(["BO", "JB"])
