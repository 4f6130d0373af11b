"""Bodies beyond the size limit are 413 wherever they are read; extreme numbers are no error."""

import json

import pytest
from fastapi.testclient import TestClient

from tests.conftest import MakeClient, enroll, upload

Photos = dict[str, bytes]

JSON = {"Content-Type": "application/json"}
LIMIT = 2 * (100_000 * 4 // 3) + 200_000


@pytest.fixture(scope="module")
def small(make_client: MakeClient) -> TestClient:
    """An application with a small limit of bodies."""
    return make_client(max_image_bytes=100_000)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/persons/nobody", {"metadata": {"a": "A" * LIMIT}}),
        ("POST", "/collections", {"name": "A" * LIMIT}),
        ("POST", "/enroll/batch", {"items": [{"name": "a", "image": "A" * LIMIT}]}),
        ("POST", "/v1/embeddings", {"model": "a", "input": "A" * LIMIT}),
        ("POST", "/words/nearest", {"positive": ["A" * LIMIT]}),
        ("POST", "/zero-shot/score", {"text": "A" * LIMIT}),
        ("POST", "/zero-shot/classify", {"inputs": "A" * LIMIT}),
        ("POST", "/zero-shot/projections", {"name": "A" * LIMIT}),
        ("POST", "/detect", {"image": "A" * LIMIT}),
        ("PUT", "/vocabularies/a/words/b", {"vector": [0.5] * LIMIT}),
    ],
)
def test_a_large_json_body_is_413(
    small: TestClient, method: str, path: str, body: dict[str, object]
) -> None:
    refused = small.request(method, path, content=json.dumps(body).encode(), headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (413, "image_too_large")
    assert str(LIMIT) in refused.json()["detail"]


def test_a_large_example_is_413(small: TestClient) -> None:
    example = {"image": "A" * 200_000, "attributes": ["a"]}
    refused = small.post("/zero-shot/projections", json={"name": "p", "examples": [example]})
    assert refused.status_code == 413


@pytest.mark.parametrize("rate", ["5e-324", "1e-300"])
def test_the_smallest_target_rates_need_the_highest_threshold(
    client: TestClient, photos: Photos, rate: str
) -> None:
    client.delete("/collections/default")
    enroll(client, photos["obama"], "Barack")
    enroll(client, photos["biden"], "Joe")
    fields = {"target_fpir": rate}
    found = client.post("/identify", files=upload(photos["obama2"]), data=fields)
    assert found.status_code == 200
    usual = client.post("/identify", files=upload(photos["obama2"])).json()["threshold"]
    assert usual < found.json()["threshold"] <= 1.0
    patched = client.patch("/collections/default", json={"target_fpir": float(rate)})
    assert patched.status_code == 200


@pytest.mark.parametrize("levels", [100, 900, 1_000, 5_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_nested_text_in_form_fields_is_refused(
    client: TestClient, photos: Photos, levels: int, brackets: str
) -> None:
    opening = "[" if brackets == "[]" else '{"a":'
    text = opening * levels + "1" + brackets[1] * levels
    for path, fields in (
        ("/enroll", {"name": "Ada", "metadata": text}),
        ("/zero-shot/score", {"text": "a", "labels": text}),
        ("/zero-shot/score", {"text": "a", "labels": '["a"]', "background": text}),
    ):
        files = upload(photos["obama"]) if path == "/enroll" else {"x": (None, "")}
        data = {name: (None, value) for name, value in fields.items()}
        refused = client.post(path, files={**data, **files} if path == "/enroll" else data)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_error")
