"""JSON bodies are limited in size, besides their images, and in depth."""

import base64
import json

import pytest
from fastapi.testclient import TestClient

LIMIT = 1_000_000
JSON = {"Content-Type": "application/json"}


def nested(levels: int, brackets: str) -> bytes:
    """A request body of this many levels."""
    opening, closing = ("[", "]") if brackets == "[]" else ('{"a":', "}")
    inner = levels - 1
    return ('{"positive":' + opening * inner + '"x"' + closing * inner + "}").encode()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/embeddings", {"model": "a", "input": "a" * LIMIT}),
        ("POST", "/words/nearest", {"positive": ["a"] * (LIMIT // 4)}),
        ("PATCH", "/persons/nobody", {"metadata": {"a": "A" * LIMIT}}),
        ("POST", "/zero-shot/score", {"text": "a", "labels": ["a" * LIMIT]}),
        ("POST", "/detect", {"image": "", "more": ["a" * LIMIT]}),
        ("POST", "/enroll/batch", {"items": [{"image": "", "name": "a" * LIMIT}]}),
        ("PUT", "/vocabularies/a/words/b", {"vector": [0.5] * LIMIT}),
    ],
)
def test_large_json_is_413(
    client: TestClient, method: str, path: str, body: dict[str, object]
) -> None:
    refused = client.request(method, path, content=json.dumps(body).encode(), headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    assert "SIMA_MAX_JSON_BYTES" in refused.json()["detail"]


@pytest.mark.parametrize("escaped", [False, True], ids=["plain", "escaped"])
def test_images_do_not_count(client: TestClient, photos: dict[str, bytes], escaped: bool) -> None:
    large = photos["coffee"] + bytes(LIMIT)  # decoders ignore what follows the image
    texts = {"image_a": base64.b64encode(large).decode(), "image_b": ""}
    body = json.dumps(texts).replace("/", "\\/" if escaped else "/")
    refused = client.post("/verify", content=body.encode(), headers=JSON)
    assert refused.json()["code"] in ("invalid_image", "no_face")
    items = [{"image": texts["image_a"], "name": "Ada"}] * 3
    batch = client.post("/enroll/batch", json={"items": items})
    assert batch.status_code == 200
    assert batch.json()["results"][0]["problem"]["code"] == "no_face"


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_json_is_422(client: TestClient, brackets: str) -> None:
    for levels, too_deep in ((32, False), (33, True), (100_000, True)):
        body = nested(levels, brackets)
        refused = client.post("/words/nearest", content=body, headers=JSON)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
        assert ("more than 32 levels" in refused.json()["detail"]) == too_deep
    body = nested(33, brackets).replace(b"positive", b"image")
    assert "32 levels" in client.post("/detect", content=body, headers=JSON).json()["detail"]


def test_brackets_in_texts_have_no_depth(client: TestClient) -> None:
    text = '[{"\\' * 100
    words = client.post("/words/similarity", json={"pairs": [[text, text]]})
    assert words.json()["code"] in ("vocabulary_not_found", "word_not_found")


def test_hostile_strings_are_read_in_linear_time(client: TestClient) -> None:
    for body in (b'"\\"' * 300_000, b'{"image":"' * 90_000, b'"' + b"\\" * 900_000, b"[" * 900_000):
        assert client.post("/words/nearest", content=body, headers=JSON).status_code == 422
