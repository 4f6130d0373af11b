"""The page People, in Chromium against a real service."""

import io
from typing import Any, Literal

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from harness.servers import Server
from tests.conftest import encode, upload
from tests.console.accessibility import violations
from tests.console.photos import drop, payload

Photos = dict[str, bytes]


class Gallery:
    """The default gallery of a service, changed and read over HTTP."""

    def __init__(self, server: Server) -> None:
        self._client = httpx2.Client(base_url=server.url, timeout=60)
        self._client.delete("/collections/default").raise_for_status()

    def enroll(self, photo: bytes, name: str, **fields: str) -> str:
        """The id of the new person."""
        data = {"on_duplicate": "allow", **({"name": name} if name else {}), **fields}
        answer = self._client.post("/enroll", files=upload(photo), data=data)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["person_id"])

    def get(self, path: str) -> Any:
        """The JSON of a response."""
        return self._client.get(path).json()

    def people(self) -> dict[str, int]:
        """The number of photos by name."""
        return {one["name"]: one["photos"] for one in self.get("/persons")["persons"]}


@pytest.fixture
def gallery(server: Server) -> Gallery:
    """An empty gallery."""
    return Gallery(server)


def open_person(page: Page, person_id: str) -> None:
    page.goto(f"#/people/{person_id}")
    expect(page.get_by_role("heading", name="Photos")).to_be_visible()


def test_people_are_listed_and_searched(page: Page, gallery: Gallery, photos: Photos) -> None:
    gallery.enroll(photos["obama"], "Barack Obama", external_id="staff-44")
    gallery.enroll(photos["biden"], "Joe Biden")
    page.goto("#/people")
    expect(page.locator(".people-grid li")).to_have_count(2)
    expect(page.locator(".people-grid")).to_contain_text("1 photo · staff-44")
    page.get_by_role("searchbox", name="Search").fill("BIDEN")
    expect(page.locator(".people-grid li")).to_have_text(["JBJoe Biden1 photo"])
    page.get_by_role("searchbox", name="Search").fill("nobody")
    expect(page.get_by_text("Nobody has such a name.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("nobody")


def test_a_person_is_renamed_and_described(page: Page, gallery: Gallery, photos: Photos) -> None:
    person = gallery.enroll(photos["obama"], "Barack")
    open_person(page, person)
    page.get_by_label("Name").fill("Barack Obama")
    page.get_by_label("External id").fill("staff-44")
    page.get_by_label("Metadata").fill('{"team": ')
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The metadata is not valid JSON.")).to_be_visible()
    page.get_by_label("Metadata").fill('{"team": "press"}')
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Barack Obama")
    stored = gallery.get(f"/persons/{person}")
    assert (stored["external_id"], stored["metadata"]) == ("staff-44", {"team": "press"})


def test_added_photos_are_accepted_or_refused_with_reasons(
    page: Page, gallery: Gallery, photos: Photos
) -> None:
    light = Image.open(io.BytesIO(photos["obama3"])).convert("RGB")
    light.thumbnail((900, 900))
    dark = encode(light.point(lambda value: value // 5))
    person = gallery.enroll(photos["obama"], "Barack Obama")
    open_person(page, person)
    drop(page.locator(".drop"), photos["obama3"], photos["biden"], dark)
    results = page.locator(".upload-results > li")
    expect(results).to_have_count(3)
    expect(results.nth(2)).to_have_text("1.jpg was added.")
    expect(results.nth(1)).to_contain_text("This face does not match Barack Obama")
    expect(results.nth(0)).to_contain_text("The photo is not good enough to enroll.")
    expect(results.nth(0)).to_contain_text("The face is too dark: measured")
    expect(page.locator(".photo-entry[data-template]")).to_have_count(2)
    results.nth(1).get_by_role("button", name="Add anyway").click()
    expect(page.locator(".photo-entry[data-template]")).to_have_count(3)
    assert gallery.people() == {"Barack Obama": 3}


def test_two_people_are_merged(page: Page, gallery: Gallery, photos: Photos) -> None:
    gallery.enroll(photos["obama"], "Barack Obama")
    second = gallery.enroll(photos["obama3"], "Obama")
    open_person(page, second)
    page.get_by_role("button", name="Merge into").click()
    page.get_by_role("dialog").get_by_role("button", name="Barack Obama").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Barack Obama")
    assert gallery.people() == {"Barack Obama": 2}


def test_different_people_are_merged_only_after_a_question(
    page: Page, gallery: Gallery, photos: Photos
) -> None:
    gallery.enroll(photos["obama"], "Barack Obama")
    second = gallery.enroll(photos["biden"], "Joe Biden")
    open_person(page, second)
    page.get_by_role("button", name="Merge into").click()
    page.get_by_role("dialog").get_by_role("button", name="Barack Obama").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("does not match")
    question.get_by_role("button", name="Cancel").click()
    assert len(gallery.people()) == 2


def test_a_photo_is_moved_to_a_new_person_and_removed(
    page: Page, gallery: Gallery, photos: Photos
) -> None:
    person = gallery.enroll(photos["obama"], "Barack Obama")
    gallery.enroll(photos["biden"], "", person_id=person, on_mismatch="allow")
    open_person(page, person)
    page.get_by_role("button", name="Show photo").first.click()
    expect(page.get_by_text("only its embedding is stored")).to_be_visible()
    page.get_by_role("button", name="Move", exact=True).last.click()
    page.get_by_label("Name of a new person").fill("Joe Biden")
    page.get_by_role("button", name="Move to a new person").click()
    expect(page.locator(".photo-entry[data-template]")).to_have_count(1)
    assert gallery.people() == {"Barack Obama": 1, "Joe Biden": 1}
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_role("dialog")).to_contain_text("Erasure receipt")
    page.keyboard.press("Escape")
    expect(page.get_by_text("No photo is left.")).to_be_visible()


def test_a_face_is_recorded_as_somebody_else(page: Page, gallery: Gallery, photos: Photos) -> None:
    person = gallery.enroll(photos["obama"], "Barack Obama")
    open_person(page, person)
    picker = page.locator("section", has_text="Not this person").locator("input[type=file]")
    picker.set_input_files(payload(photos["biden"]))
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    assert len(gallery.get(f"/persons/{person}/not-this")["rejections"]) == 1
    undo.click()
    expect(undo).to_have_count(0)


def test_a_person_is_erased_with_a_receipt(page: Page, gallery: Gallery, photos: Photos) -> None:
    person = gallery.enroll(photos["obama"], "Barack Obama")
    open_person(page, person)
    page.get_by_role("button", name="Erase").click()
    page.get_by_role("dialog").get_by_role("button", name="Erase").click()
    receipt = page.get_by_role("dialog", name="Erasure receipt")
    expect(receipt).to_contain_text("Embeddings")
    shown = receipt.locator("code").first.inner_text()
    assert gallery.get(f"/erasures/{shown}")["templates"] == 1
    receipt.get_by_role("button", name="Close").last.click()
    expect(page.get_by_text("Nobody is enrolled yet.")).to_be_visible()
    assert gallery.people() == {}


@pytest.mark.parametrize("decision", ["The same person", "Not the same"])
def test_likely_duplicates_are_decided(
    page: Page, gallery: Gallery, photos: Photos, decision: str
) -> None:
    gallery.enroll(photos["obama"], "Barack Obama")
    gallery.enroll(photos["obama3"], "Obama")
    gallery.enroll(photos["biden"], "Joe Biden")
    page.goto("#/people?show=duplicates")
    expect(page.get_by_text("3 of 3 people examined")).to_be_visible()
    expect(page.locator(".pair-entry")).to_have_count(1)
    page.get_by_role("button", name=decision).click()
    expect(page.locator(".pair-entry .notice-good")).to_be_visible()
    assert len(gallery.people()) == (2 if decision == "The same person" else 3)
    page.reload()
    expect(page.get_by_text("No likely duplicates were found.")).to_be_visible()


def test_a_visitor_is_enrolled(
    page: Page, gallery: Gallery, server: Server, photos: Photos
) -> None:
    options = {"visitors": {"days": 2}}
    httpx2.patch(f"{server.url}/collections/default", json=options).raise_for_status()
    httpx2.post(f"{server.url}/identify", files=upload(photos["biden"])).raise_for_status()
    page.goto("#/people?show=visitors")
    page.get_by_role("button", name="Enroll").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Joe Biden")
    page.get_by_role("dialog").get_by_role("button", name="Enroll").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Joe Biden")
    assert gallery.people() == {"Joe Biden": 1}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_what_the_pages_show(
    page: Page, gallery: Gallery, photos: Photos, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    person = gallery.enroll(photos["obama"], "Barack Obama", metadata='{"team": "press"}')
    gallery.enroll(photos["obama3"], "باراک اوباما")
    page.goto("#/people")
    expect(page.locator(".people-grid li")).to_have_count(2)
    assert violations(page) == []
    page.goto("#/people?show=duplicates")
    expect(page.locator(".pair-entry")).to_have_count(1)
    assert violations(page) == []
    page.goto("#/try")
    drop(page.locator(".drop"), photos["pair"])
    page.get_by_role("button", name="Enroll this face").last.click()
    assert violations(page) == []
    open_person(page, person)
    drop(page.locator(".drop"), photos["biden"])
    expect(page.get_by_role("button", name="Add anyway")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Merge into").click()
    expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_count(1)
    assert violations(page) == []
