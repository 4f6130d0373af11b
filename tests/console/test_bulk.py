"""An interrupted bulk enrollment continues: after a reload, and when the connection was lost."""

from collections.abc import Iterator
from itertools import count

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from harness.servers import Server, running
from tests.console.photos import payload

Photos = dict[str, bytes]
NAMES = {"Barack Obama": "obama", "Joe Biden": "biden", "Eileen Collins": "astronaut"}


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with an empty gallery."""
    with running(tmp_path_factory.mktemp("data")) as started:
        yield started


def choose(page: Page, photos: Photos) -> None:
    """Open the page and choose one photo of each person."""
    page.goto("#/bulk")
    files = [payload(photos[photo], f"{name} 1.jpg") for name, photo in NAMES.items()]
    page.locator("main input[type=file]").last.set_input_files(files)


def start(page: Page) -> None:
    """Enroll the chosen people."""
    page.get_by_role("button", name="Enroll", exact=True).click()


def assert_everybody_is_enrolled_once(server: Server) -> None:
    people = httpx2.get(f"{server.url}/persons", timeout=60).json()["persons"]
    assert {one["name"]: one["photos"] for one in people} == dict.fromkeys(NAMES, 1)
    assert len(people) == len(NAMES)


def test_an_enrollment_continues_after_a_reload(page: Page, server: Server, photos: Photos) -> None:
    """One is enrolled; the answer about the second is lost with the page; the third is not sent."""
    numbers = count()

    def hold(route: Route) -> None:
        number = next(numbers)
        if number == 0:
            route.continue_()
        elif number == 1:
            route.fetch()  # without an answer to the page

    page.route("**/enroll?*", hold)
    choose(page, photos)
    start(page)
    expect(page.locator(".badge-good")).to_have_text("1 enrolled")
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "1")
    page.reload()
    page.unroute("**/enroll?*")  # before the reload, it would let the third one through
    expect(page.get_by_text("photos that are enrolled already are not sent again")).to_be_visible()
    choose(page, photos)
    start(page)
    expect(page.get_by_text("Finished.")).to_be_visible(timeout=60_000)
    expect(page.locator(".badges")).to_have_text("1 enrolled2 enrolled before3 of 3")
    assert_everybody_is_enrolled_once(server)


def test_an_answer_that_was_lost_on_the_way_enrolls_nobody_twice(
    page: Page, server: Server, photos: Photos
) -> None:
    numbers = count()

    def lose(route: Route) -> None:
        if next(numbers) == 0:
            route.fetch()
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/enroll?*", lose)
    choose(page, photos)
    start(page)
    expect(page.get_by_text("Finished. 3 photos were enrolled.")).to_be_visible(timeout=60_000)
    assert_everybody_is_enrolled_once(server)


def test_an_enrollment_waits_for_a_lost_connection(
    page: Page, server: Server, photos: Photos
) -> None:
    choose(page, photos)
    page.context.set_offline(True)
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    start(page)
    while not failed:
        page.wait_for_timeout(50)
    page.context.set_offline(False)
    expect(page.get_by_text("Finished. 3 photos were enrolled.")).to_be_visible(timeout=60_000)
    assert_everybody_is_enrolled_once(server)
