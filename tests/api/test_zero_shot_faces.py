"""Tests projections from faces and from texts to words."""

import base64
from typing import Any

from fastapi.testclient import TestClient

from tests.api.test_rotated_photos import turned
from tests.conftest import enroll, upload
from tests.zero_shot.requests import refused, score


def examples(words: TestClient, photos: dict[str, bytes]) -> list[dict[str, Any]]:
    """Four people with attributes: by image, by template id and by vector."""
    enrolled = enroll(words, photos["biden"], "Joe Biden", on_duplicate="allow")
    vector = words.post("/embed", files=upload(photos["obama2"])).json()["faces"][0]["embedding"]
    encoded = base64.b64encode(photos["astronaut"]).decode()
    return [
        {"image": encoded, "attributes": ["woman", "astronaut", "smiling"]},
        {"template_id": enrolled["template_id"], "attributes": ["man", "suit"]},
        {"vector": vector, "attributes": ["man", "suit", "president"]},
        {"image": base64.b64encode(photos["obama"]).decode(), "attributes": ["man", "president"]},
    ]


def test_a_projection_is_fitted_listed_used_and_deleted(
    words: TestClient, photos: dict[str, bytes]
) -> None:
    body = {"name": "roles", "examples": examples(words, photos)}
    created = words.post("/zero-shot/projections", json=body)
    assert created.status_code == 201, created.text
    seen = {"woman", "astronaut", "smiling", "man", "suit", "president"}
    assert set(created.json()["seen"]) == seen
    assert words.post("/zero-shot/projections", json=body).json()["code"] == "projection_exists"
    assert [p["name"] for p in words.get("/zero-shot/projections").json()["projections"]] == [
        "roles"
    ]

    fields = {"labels": '["cosmonaut", "senator"]', "projection": "roles"}
    for photo, label in (("astronaut", "cosmonaut"), ("obama3", "senator")):
        answer = words.post("/zero-shot/score", files=upload(photos[photo]), data=fields).json()
        assert (answer["decision"], answer["method"]) == (label, "eszsl"), photo
    sideways = upload(turned(photos["obama3"]))
    asked = words.post("/zero-shot/score", files=sideways, data=fields)
    assert asked.json()["code"] == "no_face"
    asked = words.post("/zero-shot/score", files=sideways, data={**fields, "rotate": "auto"})
    assert asked.json()["decision"] == "senator"
    for method in ("conse", "dap"):
        labels: list[Any] = ["cosmonaut", "senator"]
        if method == "dap":
            labels = [
                {"name": "cosmonaut", "attributes": {"astronaut": 1}},
                {"name": "senator", "attributes": {"suit": 1, "president": 0.5}},
            ]
        encoded = base64.b64encode(photos["astronaut"]).decode()
        found = score(words, image=encoded, labels=labels, projection="roles", method=method)
        assert found["decision"] == "cosmonaut", method
    assert refused(words, text="a suit", labels=["senator"], projection="roles")[1] == (
        "validation_error"
    )

    assert words.get("/zero-shot/projections/roles").json()["examples"] == 4
    assert words.delete("/zero-shot/projections/roles").status_code == 204
    gone = words.get("/zero-shot/projections/roles")
    assert (gone.status_code, gone.json()["code"]) == (404, "projection_not_found")


def test_sensitive_attributes_and_labels_of_faces_are_refused(
    words: TestClient, photos: dict[str, bytes]
) -> None:
    shown = examples(words, photos)
    bad = [{**shown[0], "attributes": ["muslim"]}, *shown[1:]]
    answer = words.post("/zero-shot/projections", json={"name": "bad", "examples": bad})
    assert (answer.status_code, answer.json()["code"]) == (422, "refused_label")
    assert "religion" in answer.json()["detail"]
    words.post("/zero-shot/projections", json={"name": "fine", "examples": shown})
    encoded = base64.b64encode(photos["obama"]).decode()
    for label in ("African", {"name": "person", "description": "of asian descent"}):
        found = refused(words, image=encoded, labels=[label, "man"], projection="fine")
        assert found[:2] == (422, "refused_label")
    assert score(words, text="an asian restaurant", labels=["asian", "music"])["decision"]
    words.delete("/zero-shot/projections/fine")


def test_an_image_requires_a_projection_and_a_face(
    words: TestClient, photos: dict[str, bytes]
) -> None:
    encoded = base64.b64encode(photos["obama"]).decode()
    assert "projection" in refused(words, image=encoded, labels=["man"])[2]
    no_face = base64.b64encode(photos["coffee"]).decode()
    assert refused(words, image=no_face, labels=["man"], projection="x")[:2] == (422, "no_face")
    broken = [{"image": "!!", "attributes": ["a"]}] * 4
    answer = words.post("/zero-shot/projections", json={"name": "n", "examples": broken})
    assert answer.json()["code"] == "invalid_image"


def test_a_projection_from_texts_to_words(words: TestClient) -> None:
    examples = [
        ("the goalkeeper saved a penalty", ["sport"]),
        ("she won the marathon", ["sport"]),
        ("parliament passed the law", ["politics"]),
        ("the minister resigned", ["politics"]),
        ("the violin solo was long", ["music"]),
        ("a choir sang in the church", ["music"]),
    ]
    shown = [{"text": text, "attributes": names} for text, names in examples]
    body = {"name": "texts", "source": "glove-6b-50d", "examples": shown}
    created = words.post("/zero-shot/projections", json=body).json()
    assert created["held_out_area"] is not None
    found = score(
        words,
        text="the striker scored in the match",
        labels=["football", "election", "opera"],
        projection="texts",
    )
    assert found["decision"] == "football"
    unknown = words.post(
        "/zero-shot/score",
        json={"text": "qwxyzq", "labels": ["opera"], "projection": "texts"},
    ).json()
    assert unknown["errors"][0]["where"] == "text"
    words.delete("/zero-shot/projections/texts")
