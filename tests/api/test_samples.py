"""Verification and identification by an embedding or a stored template in place of an image."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conftest import MakeClient, enroll, upload
from tests.models import SHIPPED

Photos = dict[str, bytes]


def embedding_of(client: TestClient, photo: bytes) -> list[float]:
    """The embedding of the largest face."""
    [face] = client.post("/embed", files=upload(photo)).json()["faces"]
    values: list[float] = face["embedding"]
    return values


def refusal(answer: Any) -> dict[str, Any]:
    """The body of a 422 `validation_error`."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (422, "validation_error"), body
    return body


def test_identify_by_an_embedding_of_any_length(gallery: TestClient, photos: Photos) -> None:
    enroll(gallery, photos["obama"], "Barack Obama")
    embedding = embedding_of(gallery, photos["obama3"])
    [by_image] = gallery.post("/identify", files=upload(photos["obama3"])).json()["faces"]

    answer = gallery.post("/identify", json={"embedding": [3 * x for x in embedding]}).json()
    [found] = answer["faces"]
    assert found["face"] is None
    assert found["decision"] == by_image["decision"] == "match"
    assert found["candidates"][0] == pytest.approx(by_image["candidates"][0], abs=1e-5)
    form = gallery.post("/identify", files={"embedding": (None, json.dumps(embedding))}).json()
    assert form["faces"][0]["person"]["name"] == "Barack Obama"


def test_identify_by_a_template_of_the_collection(gallery: TestClient, photos: Photos) -> None:
    known = enroll(gallery, photos["obama"], "Barack Obama")
    enroll(gallery, photos["biden"], "Joe Biden")
    [found] = gallery.post("/identify", json={"template_id": known["template_id"]}).json()["faces"]
    first, second = found["candidates"]
    assert (first["person_id"], second["name"]) == (known["person_id"], "Joe Biden")
    assert first["similarity"] == pytest.approx(1.0, abs=1e-5)


def test_verify_embeddings_and_templates(gallery: TestClient, photos: Photos) -> None:
    known = enroll(gallery, photos["obama"], "Barack Obama")
    embedding = embedding_of(gallery, photos["obama3"])
    images = {**upload(photos["obama"], "image_a"), **upload(photos["obama3"], "image_b")}
    expected = gallery.post("/verify", files=images, data={"target_fmr": "0.01"}).json()

    for sides in (
        {"template_id_a": known["template_id"], "embedding_b": embedding},
        {"embedding": embedding, "person_id": known["person_id"]},
    ):
        answer = gallery.post("/verify", json={**sides, "target_fmr": 0.01}).json()
        assert answer["verified"] is True
        assert answer["similarity"] == pytest.approx(expected["similarity"], abs=1e-5)
        assert answer["threshold"] == pytest.approx(expected["threshold"], abs=1e-5)
        assert answer["faces"] == {"a": None, "b": None}

    fields = {"template_id_b": known["template_id"], "target_fmr": "0.01"}
    mixed = gallery.post("/verify", files=upload(photos["biden"], "image_a"), data=fields).json()
    assert mixed["verified"] is False
    assert mixed["faces"]["a"] is not None


@pytest.mark.parametrize("path", ["/identify", "/verify"])
def test_exactly_one_sample_is_required(gallery: TestClient, photos: Photos, path: str) -> None:
    suffix = "_a" if path == "/verify" else ""
    image, embedding = f"image{suffix}", f"embedding{suffix}"
    none = refusal(gallery.post(path, json={}))
    assert none["errors"][0]["where"] == image
    assert f"send exactly one of {image} (an image file), {embedding}" in none["detail"]
    sent = {embedding: json.dumps([1.0] * 256)}
    both = refusal(gallery.post(path, files=upload(photos["obama"], image), data=sent))
    assert f"{image} and {embedding} was sent" in both["detail"]


def test_invalid_embeddings_are_refused(gallery: TestClient) -> None:
    wrong = refusal(gallery.post("/identify", json={"embedding": [1.0, 2.0]}))
    assert wrong["errors"][0]["where"] == "embedding"
    assert f"has 2 numbers, those of {SHIPPED.name} have 256" in wrong["detail"]
    zero = refusal(
        gallery.post("/verify", json={"embedding_a": [1.0] * 256, "embedding_b": [0.0] * 256})
    )
    assert zero["errors"][0]["where"] == "embedding_b"
    for values in ([], ["x"] * 256, [1e300] * 256, "0.1", None):
        refusal(gallery.post("/identify", json={"embedding": values}))
    refusal(
        gallery.post(
            "/identify",
            content='{"embedding": [' + ",".join(["NaN"] * 256) + "]}",
            headers={"Content-Type": "application/json"},
        )
    )


def test_an_unknown_template_is_refused(gallery: TestClient, photos: Photos) -> None:
    """So is one of another collection, which the request does not name."""
    assert gallery.post("/collections", json={"name": "staff"}).status_code in (201, 409)
    known = enroll(gallery, photos["obama"], "Barack", collection="staff")
    own, person_id = known["template_id"], known["person_id"]
    pair = {"template_id_a": own, "template_id_b": own}
    for path, fields in (
        ("/identify", {"template_id": "nothing"}),
        ("/identify", {"template_id": own}),
        ("/verify", pair),
        ("/verify", {"person_id": person_id, "template_id": "nothing"}),
    ):
        body = refusal(gallery.post(path, json=fields))
        assert body["errors"][0]["where"].startswith("template_id")
        assert "has this id" in body["detail"]
    assert gallery.post("/verify", json={**pair, "collection": "staff"}).json()["verified"] is True
    gallery.delete("/collections/staff")


def test_the_read_role_compares_templates(make_client: MakeClient) -> None:
    keys = '{"reader-key-of-the-test": "read"}'
    client = make_client(api_keys=json.loads(keys))
    fields = {"embedding_a": [1.0] * 256, "embedding_b": [1.0] * 256}
    assert client.post("/verify", json=fields).status_code == 401
    allowed = client.post("/verify", json=fields, headers={"X-API-Key": "reader-key-of-the-test"})
    assert allowed.json()["verified"] is True
