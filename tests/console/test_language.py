"""Switching the language keeps photos; what the pages show is accessible in Persian, too."""

import httpx2
import pytest
from playwright.sync_api import Page, expect

from harness.servers import Server
from tests.conftest import upload
from tests.console.accessibility import violations
from tests.console.photos import drop, payload, pick

Photos = dict[str, bytes]


@pytest.fixture
def person(server: Server, photos: Photos) -> str:
    """The id of the only enrolled person."""
    httpx2.delete(f"{server.url}/collections/default", timeout=60).raise_for_status()
    fields = {"name": "Barack Obama", "metadata": '{"team": "press"}'}
    answer = httpx2.post(
        f"{server.url}/enroll", files=upload(photos["obama"]), data=fields, timeout=60
    )
    return str(answer.raise_for_status().json()["person_id"])


def speak(page: Page, language: str) -> None:
    """Choose a language; the control keeps the focus."""
    page.locator("#language").select_option(language)
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("#language")).to_be_focused()
    expect(page.locator("main[aria-busy]")).to_have_count(0)


def test_an_identified_photo_stays_and_is_not_sent_again(
    page: Page, person: str, photos: Photos
) -> None:
    page.goto("#/try")
    pick(page, photos["obama3"])
    expect(page.locator("article .badge").first).to_have_text("match")
    page.get_by_role("slider").press("ArrowLeft")
    rate = page.get_by_role("slider").input_value()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    speak(page, "fa")
    expect(page.locator("article").get_by_role("heading")).to_have_text("Barack Obama")
    expect(page.locator("article .badge").first).to_have_text("مطابق")
    expect(page.locator(".face rect")).to_have_count(1)
    assert page.get_by_role("slider").input_value() == rate
    assert not any("/identify" in url for url in requests)
    assert violations(page) == []
    speak(page, "en")
    expect(page.locator("article .badge").first).to_have_text("match")
    page.get_by_role("link", name="People").click()
    page.get_by_role("link", name="Try it").click()
    expect(page.locator(".results")).to_contain_text("Give the service a photo")


def test_compared_photos_stay(page: Page, person: str, photos: Photos) -> None:
    page.goto("#/try/verify")
    drop(page.locator(".slot").first.locator(".drop"), photos["obama"])
    speak(page, "fa")
    expect(page.locator(".slot").first.locator("img")).to_be_visible()
    page.locator(".slot").last.locator("input[type=file]").set_input_files(payload(photos["biden"]))
    expect(page.locator(".verdict .badge").first).to_be_visible()
    speak(page, "en")
    expect(page.locator(".verdict .badge").first).to_have_text("not the same")


def test_a_chosen_folder_stays(page: Page, person: str, photos: Photos) -> None:
    page.goto("#/bulk")
    files = page.locator("main input[type=file]").last
    files.set_input_files([payload(photos["biden"], "Joe Biden 1.jpg")])
    speak(page, "fa")
    expect(page.locator(".plan")).to_contain_text("Joe Biden")


def test_a_running_enrollment_goes_on(page: Page, person: str, photos: Photos) -> None:
    page.goto("#/bulk")
    files = page.locator("main input[type=file]").last
    sent = [
        payload(photos[photo], f"{name} 1.jpg")
        for photo, name in (("biden", "Joe Biden"), ("coffee", "Cup"), ("astronaut", "Eileen"))
    ]
    files.set_input_files(sent)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.get_by_role("button", name="Enroll").click()
    speak(page, "fa")
    expect(page.locator("main p[role=status]")).to_contain_text("۲")
    expect(page.locator(".badge-good")).to_contain_text("۲")
    expect(page.locator(".badge-bad")).to_contain_text("۱")
    speak(page, "en")
    expect(page.locator("table")).to_contain_text("Cup 1.jpg")
    assert len([url for url in requests if "/enroll" in url]) == 3, "nothing is sent again"
    assert violations(page) == []
    page.get_by_role("link", name="Try it").click()
    page.get_by_role("link", name="Bulk").click()
    expect(page.locator("progress")).to_have_count(0)


def test_a_person_is_accessible_in_persian(page: Page, person: str, photos: Photos) -> None:
    page.goto("#/try")
    speak(page, "fa")
    page.goto(f"#/people/{person}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Barack Obama")
    drop(page.locator(".drop"), photos["biden"])
    expect(page.locator(".upload-results .notice-bad")).to_be_visible()
    assert violations(page) == []
    page.goto("#/people")
    expect(page.locator(".people-grid li")).to_have_count(1)
    assert violations(page) == []


@pytest.mark.parametrize("part", ["", "/requests", "/keys", "/audit", "/erasures"])
def test_the_system_is_accessible_in_persian(page: Page, person: str, part: str) -> None:
    page.goto("#/try")
    speak(page, "fa")
    page.goto(f"#/system{part}")
    expect(page.get_by_role("heading", level=1)).to_have_text("سامانه")
    expect(page.locator("main[aria-busy]")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    assert violations(page) == []
