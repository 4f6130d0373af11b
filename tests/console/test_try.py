"""The page Try it, in Chromium against a real service."""

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from harness.servers import Server
from tests.api.test_rotated_photos import turned
from tests.conftest import upload
from tests.console.photos import drop, paste, payload, pick

Photos = dict[str, bytes]


@pytest.fixture
def enrolled(server: Server, photos: Photos) -> Server:
    """The service with one person, whatever tests before have enrolled."""
    httpx2.delete(f"{server.url}/collections/default").raise_for_status()
    answer = httpx2.post(
        f"{server.url}/enroll", files=upload(photos["obama"]), data={"name": "Barack Obama"}
    )
    answer.raise_for_status()
    return server


def card(page: Page, number: int = 1) -> Locator:
    """What the page says about one face."""
    return page.locator(f"article[data-face='{number}']")


def move_slider(page: Page, power: float) -> None:
    """Set the target rate to 10 ** power."""
    page.get_by_role("slider").evaluate(
        """(slider, value) => {
            slider.value = value;
            slider.dispatchEvent(new Event("input", {bubbles: true}));
        }""",
        power,
    )


def test_a_stranger_is_enrolled_by_drop_and_recognised(
    page: Page, enrolled: Server, photos: Photos
) -> None:
    page.goto("#/try")
    drop(page.locator(".drop"), photos["biden"])
    expect(card(page).get_by_text("unknown").first).to_be_visible()
    card(page).get_by_role("button", name="Enroll this face").click()
    card(page).get_by_label("Name").fill("Joe Biden")
    card(page).get_by_role("button", name="Enroll", exact=True).click()
    expect(card(page).get_by_role("heading")).to_have_text("Joe Biden")
    expect(card(page).locator(".badge")).to_have_text("match")
    expect(page.locator(".timings")).to_contain_text("Embed")
    assert len(httpx2.get(f"{enrolled.url}/persons").json()["persons"]) == 2


def test_boxes_are_drawn_where_the_faces_are(page: Page, enrolled: Server, photos: Photos) -> None:
    page.goto("#/try")
    pick(page, photos["pair"])
    expect(page.locator(".face")).to_have_count(2)
    found = httpx2.post(f"{enrolled.url}/detect", files=upload(photos["pair"])).json()
    drawn = page.locator(".stage img").bounding_box()
    assert drawn is not None
    scale = drawn["width"] / found["width"]
    for number, face in enumerate(found["faces"], 1):
        box = page.locator(f".face[data-face='{number}'] rect").bounding_box()
        assert box is not None
        assert box["x"] == pytest.approx(drawn["x"] + scale * face["box"]["x"], abs=4)
        assert box["y"] == pytest.approx(drawn["y"] + scale * face["box"]["y"], abs=4)
        assert box["width"] == pytest.approx(scale * face["box"]["width"], abs=6)
    names = {card(page, number).get_by_role("heading").inner_text() for number in (1, 2)}
    assert names == {"Barack Obama", "Nobody who is enrolled"}


def test_one_of_several_faces_is_enrolled(page: Page, enrolled: Server, photos: Photos) -> None:
    page.goto("#/try")
    pick(page, photos["pair"])
    stranger = (
        page.locator("article")
        .filter(has_text="Enroll this face")
        .filter(has=page.get_by_role("heading", name="Nobody who is enrolled"))
    )
    stranger.get_by_role("button", name="Enroll this face").click()
    page.get_by_label("Name").fill("Joe Biden")
    page.get_by_role("button", name="Enroll", exact=True).click()
    expect(page.locator(".badge", has_text="match")).to_have_count(2)


def test_the_slider_decides_again_as_the_service_would(
    page: Page, enrolled: Server, photos: Photos
) -> None:
    page.goto("#/try")
    with page.expect_response("**/identify**"):
        pick(page, photos["obama3"])
    expect(card(page).locator(".badge").first).to_be_visible()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    for power in (-6.0, -4.0, -2.0, -0.5):
        move_slider(page, power)
        answer = httpx2.post(
            f"{enrolled.url}/identify",
            files=upload(photos["obama3"]),
            data={"target_fpir": 10**power},
        ).json()["faces"][0]
        expect(card(page).locator(".badge").first).to_have_text(answer["decision"])
        threshold = f"threshold {answer['candidates'][0]['threshold']:.2f}"
        expect(card(page).locator(".gauge-box").first).to_contain_text(threshold)
    assert [one for one in requests if not one.startswith("blob:")] == []


def test_a_face_that_is_enrolled_may_be_added_to_the_person(
    page: Page, enrolled: Server, photos: Photos
) -> None:
    page.goto("#/try")
    paste(page, photos["obama"])
    card(page).get_by_role("button", name="Enroll this face").click()
    card(page).get_by_label("Name").fill("Somebody Else")
    card(page).get_by_role("button", name="Enroll", exact=True).click()
    expect(card(page).get_by_role("alert")).to_contain_text("already enrolled as Barack Obama")
    card(page).get_by_role("button", name="Add the photo to Barack Obama").click()
    expect(card(page).get_by_role("alert")).to_have_count(0)
    [person] = httpx2.get(f"{enrolled.url}/persons").json()["persons"]
    assert person["photos"] == 2


def test_a_wrong_match_is_corrected(page: Page, enrolled: Server, photos: Photos) -> None:
    page.goto("#/try")
    pick(page, photos["obama3"])
    card(page).get_by_role("button", name="This is not Barack Obama").click()
    expect(card(page).get_by_role("heading")).to_have_text("Nobody who is enrolled")


def test_a_photo_lying_sideways_is_enrolled_rejected_and_added(
    page: Page, enrolled: Server, photos: Photos
) -> None:
    page.goto("#/try")
    pick(page, turned(photos["biden"]))
    expect(card(page).get_by_role("heading")).to_have_text("Nobody who is enrolled")
    card(page).get_by_role("button", name="Enroll this face").click()
    card(page).get_by_label("Name").fill("Joe Biden")
    card(page).get_by_role("button", name="Enroll", exact=True).click()
    expect(card(page).get_by_role("heading")).to_have_text("Joe Biden")
    pick(page, turned(photos["obama3"]))
    card(page).get_by_role("button", name="This is not Barack Obama").click()
    expect(card(page).get_by_role("heading")).to_have_text("Nobody who is enrolled")
    people = httpx2.get(f"{enrolled.url}/persons", params={"q": "joe"}).json()["persons"]
    page.goto(f"#/people/{people[0]['person_id']}")
    expect(page.get_by_role("heading", name="Joe Biden", level=1)).to_be_visible()
    drop(page.locator(".drop"), turned(photos["biden"], 3))
    expect(page.locator(".upload-results .notice-good")).to_have_text("1.jpg was added.")


def test_two_photos_are_compared(page: Page, enrolled: Server, photos: Photos) -> None:
    page.goto("#/try/verify")
    first, second = page.locator(".slot").first, page.locator(".slot").last
    drop(first.locator(".drop"), photos["obama"])
    second.locator("input[type=file]").set_input_files(payload(photos["biden"]))
    expect(page.locator(".verdict .badge").first).to_have_text("not the same")
    expect(page.locator(".face rect")).to_have_count(2)
    drop(second, photos["obama3"])
    answer = httpx2.post(
        f"{enrolled.url}/verify",
        files={**upload(photos["obama"], "image_a"), **upload(photos["obama3"], "image_b")},
    ).json()
    expect(page.locator(".verdict .gauge-box")).to_contain_text(
        f"Similarity {answer['similarity']:.2f}, threshold {answer['threshold']:.2f}"
    )
    move_slider(page, -0.31)
    expect(page.locator(".verdict .badge").first).to_have_text("match")


@pytest.mark.parametrize(
    ("photo", "text"),
    [
        (
            b"not a photo",
            "The service does not read this kind of file. Send a JPEG, PNG, WebP or AVIF photo.",
        ),
        (b"\xff\xd8\xff\xe0" + b"0" * 100, "The file cannot be read as a photo."),
    ],
)
def test_a_file_that_is_no_photo_is_refused_in_words(
    page: Page, enrolled: Server, photo: bytes, text: str
) -> None:
    page.goto("#/try")
    pick(page, photo)
    expect(page.get_by_role("alert")).to_have_text(text)


def test_a_photo_without_a_face_is_no_error(page: Page, enrolled: Server, photos: Photos) -> None:
    page.goto("#/try")
    pick(page, photos["coffee"])
    expect(page.locator(".results")).to_contain_text("The photo shows no face.")


def test_the_camera_recognises_takes_photos_and_stops(
    page: Page, enrolled: Server, photos: Photos
) -> None:
    files, name = upload(photos["astronaut"]), {"name": "Eileen Collins"}
    httpx2.post(f"{enrolled.url}/enroll", files=files, data=name).raise_for_status()
    page.goto("#/try")
    page.get_by_role("button", name="Camera").click()
    live = page.get_by_role("button", name="Live")
    with page.expect_response("**/identify**") as first:
        live.click()
    assert first.value.ok
    with page.expect_response("**/identify**"):
        pass  # the next frame
    expect(page.locator(".camera .face-name")).to_have_text("1 · Eileen Collins")
    page.get_by_role("button", name="Take a photo").click()
    expect(card(page).get_by_role("heading")).to_have_text("Eileen Collins")
    page.get_by_role("button", name="Camera").click()
    expect(page.locator("video")).to_be_visible()
    page.evaluate(
        """() => {
            window.track = document.querySelector("video").srcObject.getTracks()[0];
            Object.defineProperty(document, "hidden", {value: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    expect(page.get_by_text("The camera is off.")).to_be_visible()
    assert page.evaluate("window.track.readyState") == "ended"
