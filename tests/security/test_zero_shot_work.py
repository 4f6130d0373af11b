"""Zero-shot requests that would take minutes of CPU are refused."""

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.conftest import MakeClient
from tests.security.usage import measured

WORDS = [f"w{chr(97 + n // 676)}{chr(97 + n // 26 % 26)}{chr(97 + n % 26)}" for n in range(5_200)]
TEXT = " ".join(WORDS[:64])
SCORE, CLASSIFY = "/zero-shot/score", "/zero-shot/classify"


@pytest.fixture(scope="module")
def words(make_client: MakeClient) -> TestClient:
    """An application with 5,200 words of ten dimensions."""
    client = make_client(default_vocabulary="words", max_json_bytes=20_000_000)
    rows = np.random.default_rng(0).normal(size=(len(WORDS), 10)).round(2).astype(str)
    lines = (f"{word} {' '.join(row)}" for word, row in zip(WORDS, rows, strict=True))
    file = "\n".join(lines).encode()
    made = client.post("/vocabularies", files={"file": file}, data={"name": "words"})
    assert made.status_code == 201, made.text
    return client


EXPENSIVE: dict[str, tuple[str, dict[str, object]]] = {
    "an explanation with 5,000 labels": (
        SCORE,
        {"text": TEXT, "labels": WORDS[:5_000], "explain": True},
    ),
    "64 texts and 5,000 labels": (
        CLASSIFY,
        {"inputs": [TEXT] * 64, "parameters": {"candidate_labels": WORDS[:5_000]}},
    ),
    "64 long texts": (
        CLASSIFY,
        {"inputs": ["waaa " * 3_900] * 64, "parameters": {"candidate_labels": WORDS[:2]}},
    ),
    "background texts": (
        SCORE,
        {"text": TEXT, "labels": WORDS[:5_000], "background": [TEXT] * 500},
    ),
    "long background texts": (
        SCORE,
        {"text": TEXT, "labels": WORDS[:2], "background": ["waaa " * 3_900] * 500},
    ),
    "names with many alternatives": (
        SCORE,
        {"text": TEXT, "labels": [f"{word}{'/waaa' * 70}" for word in WORDS[:5_000]]},
    ),
    "attributes": (
        SCORE,
        {
            "text": TEXT,
            "method": "dap",
            "labels": [
                {"name": word, "attributes": {WORDS[(n * 5 + k) % 5_200]: 1 for k in range(5)}}
                for n, word in enumerate(WORDS[:5_000])
            ],
        },
    ),
}


@pytest.mark.parametrize("name", EXPENSIVE)
def test_expensive_requests_are_refused_at_once(words: TestClient, name: str) -> None:
    path, body = EXPENSIVE[name]
    with measured() as usage:
        refused = words.post(path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
    assert "at most" in refused.json()["detail"]
    assert usage.seconds < 1.5


def test_the_largest_allowed_requests_take_seconds(words: TestClient) -> None:
    for path, body in (
        (SCORE, {"text": TEXT, "labels": WORDS[:5_000]}),
        (SCORE, {"text": TEXT, "labels": WORDS[:5_000]}),
        (SCORE, {"text": TEXT, "labels": WORDS[:2_500], "explain": True}),
        (
            CLASSIFY,
            {"inputs": [TEXT] * 64, "parameters": {"candidate_labels": WORDS[:2_500]}},
        ),
    ):
        with measured() as usage:
            answer = words.post(path, json=body)
        assert answer.status_code == 200, answer.text
        assert usage.seconds < 5.0  # 0.2 to 1.5 measured
