"""Recognition, detection and verification in CompreFace's API."""

import base64

import pytest
from fastapi.testclient import TestClient

from app.compat.compreface.scores import MATCH, NO_MATCH, client_similarity
from app.faces.decisions.policy import Judgement
from tests.compat.compreface_client import (
    API,
    FACES,
    RECOGNITION,
    SUBJECTS,
    UNKNOWN,
    Json,
    Photos,
    add,
    recognize,
    refused,
    send,
)
from tests.conftest import upload
from tests.models import SHIPPED


def test_faces_are_recognized(compreface: TestClient, photos: Photos) -> None:
    assert recognize(compreface, photos["obama"])[0]["subjects"] == []
    add(compreface, "Barack", photos["obama"])
    send(compreface, "POST", SUBJECTS, 201, json={"subject": "without faces"})
    add(compreface, "Eileen", photos["astronaut"])

    [known] = recognize(compreface, photos["obama2"])
    assert known.keys() == {"box", "subjects"}
    assert known["box"].keys() == {"probability", "x_min", "y_min", "x_max", "y_max"}
    assert [one["subject"] for one in known["subjects"]] == ["Barack"]
    assert known["subjects"][0]["similarity"] >= MATCH
    [unknown] = recognize(compreface, photos["biden"], "?prediction_count=10")
    similarities = [one["similarity"] for one in unknown["subjects"]]
    assert len(similarities) == 2
    assert similarities == sorted(similarities, reverse=True)
    assert max(similarities) < NO_MATCH

    both = recognize(compreface, photos["pair"])
    assert len(both) == 2
    assert len(recognize(compreface, photos["pair"], "?limit=1")) == 1


def test_plugins_and_status_add_fields(compreface: TestClient, photos: Photos) -> None:
    add(compreface, "Barack", photos["obama"])
    plugins = "age,gender,mask,pose,landmarks, calculator"
    query = f"?face_plugins={plugins}&status=True"
    files = upload(photos["obama2"], "file")
    answer = send(compreface, "POST", f"{RECOGNITION}/recognize{query}", files=files)
    [face] = answer["result"]
    expected = {"box", "subjects", "landmarks", "embedding", "execution_time"}
    assert face.keys() == expected
    assert len(face["landmarks"]) == 5
    assert all(isinstance(value, int) for point in face["landmarks"] for value in point)
    assert sum(value * value for value in face["embedding"]) == pytest.approx(1.0, abs=1e-4)
    assert face["execution_time"]["detector"] > 0
    assert answer["plugins_versions"] == {"detector": "mtcnn", "calculator": SHIPPED.name}

    detected = send(compreface, "POST", f"{API}/detection/detect{query}", files=files)
    assert detected["result"][0].keys() == expected - {"subjects"}
    assert detected["result"][0]["embedding"] == pytest.approx(face["embedding"], abs=1e-5)
    [plain] = send(compreface, "POST", f"{API}/detection/detect", files=files)["result"]
    assert plain == {"box": face["box"]}


def test_faces_are_verified(compreface: TestClient, photos: Photos) -> None:
    image_id = add(compreface, "Barack", photos["obama"])
    path = f"{FACES}/{image_id}/verify"
    both = send(compreface, "POST", path, files=upload(photos["pair"], "file"))["result"]
    assert {face["subject"] for face in both} == {"Barack"}
    assert sorted(face["similarity"] >= MATCH for face in both) == [False, True]
    assert min(face["similarity"] for face in both) < NO_MATCH
    none = refused(compreface, "POST", f"{FACES}/{UNKNOWN}/verify", files=upload(b"x", "file"))
    assert none == (404, 44)

    def compare(source: str, target: str, query: str = "") -> Json:
        files = upload(photos[source], "source_image") | upload(photos[target], "target_image")
        answer = send(compreface, "POST", f"{API}/verification/verify{query}", files=files)
        [result] = answer["result"]
        return dict(result)

    found = compare("obama2", "pair", "?face_plugins=landmarks&status=true")
    assert found.keys() == {"source_image_face", "face_matches", "plugins_versions"}
    assert found["source_image_face"].keys() == {"box", "landmarks", "execution_time"}
    assert sorted(one["similarity"] >= MATCH for one in found["face_matches"]) == [False, True]
    assert "plugins_versions" not in compare("obama", "obama2")
    files = upload(photos["pair"], "source_image") | upload(photos["obama"], "target_image")
    several = refused(compreface, "POST", f"{API}/verification/verify", files=files)
    assert several == (400, 31)


def test_a_rejected_face_does_not_match_the_example(compreface: TestClient, photos: Photos) -> None:
    image_id = add(compreface, "Barack", photos["obama"])
    [face] = recognize(compreface, photos["obama2"], "?face_plugins=calculator")
    [person] = compreface.get("/persons").json()["persons"]
    rejected = compreface.post(
        f"/persons/{person['person_id']}/not-this", files=upload(photos["obama2"])
    )
    assert rejected.status_code == 201
    path = f"{FACES}/{image_id}/verify"
    [verified] = send(compreface, "POST", path, files=upload(photos["obama2"], "file"))["result"]
    body = {"embeddings": [face["embedding"]]}
    path = f"{RECOGNITION}/embeddings/faces/{image_id}/verify"
    [compared] = send(compreface, "POST", path, json=body)["result"]
    for one in (verified, compared):
        assert one["similarity"] < NO_MATCH
    path = f"{FACES}/{image_id}/verify"
    [same] = send(compreface, "POST", path, files=upload(photos["obama"], "file"))["result"]
    assert same["similarity"] >= MATCH


def test_embeddings_stand_in_for_faces(compreface: TestClient, photos: Photos) -> None:
    image_id = add(compreface, "Barack", photos["obama"])

    def embedding(name: str) -> list[float]:
        [face] = recognize(compreface, photos[name], "?face_plugins=calculator")
        return list(face["embedding"])

    known, stranger = embedding("obama2"), embedding("biden")
    body = {"embeddings": [stranger, known]}
    path = f"{RECOGNITION}/embeddings/recognize?prediction_count=3"
    first, second = send(compreface, "POST", path, json=body)["result"]
    assert (first["embedding"], second["embedding"]) == (stranger, known)
    assert [one["subject"] for one in second["similarities"]] == ["Barack"]
    assert second["similarities"][0]["similarity"] >= MATCH
    assert first["similarities"][0]["similarity"] < NO_MATCH

    pair = {"source": embedding("obama"), "targets": body["embeddings"]}
    for path, content in (
        (f"{RECOGNITION}/embeddings/faces/{image_id}/verify", body),
        (f"{API}/verification/embeddings/verify", pair),
    ):
        best, worst = send(compreface, "POST", path, json=content)["result"]
        assert (best["embedding"], worst["embedding"]) == (known, stranger)
        assert best["similarity"] >= MATCH
        assert worst["similarity"] < NO_MATCH


def test_images_are_accepted_as_base64(compreface: TestClient, photos: Photos) -> None:
    texts = {name: base64.b64encode(photo).decode() for name, photo in photos.items()}
    large = base64.b64encode(photos["obama"] + bytes(1_000_000)).decode()
    added = send(compreface, "POST", f"{FACES}?subject=B", 201, json={"file": large})
    body = {"file": texts["obama2"]}
    for path in (
        f"{RECOGNITION}/recognize",
        f"{FACES}/{added['image_id']}/verify",
        f"{API}/detection/detect",
    ):
        assert len(send(compreface, "POST", path, json=body)["result"]) == 1
    pair = {"source_image": large, "target_image": texts["obama2"]}
    send(compreface, "POST", f"{API}/verification/verify", json=pair)


@pytest.mark.parametrize("threshold", [-0.5, 0.1, 0.45, 0.9])
def test_the_decision_is_at_the_threshold_of_the_clients(threshold: float) -> None:
    pairs = [
        Judgement(similarity, threshold, 0.001)
        for similarity in (-1.0, threshold - 1e-9, threshold, (threshold + 1) / 2, 1.0)
    ]
    values = [client_similarity(pair, pair.matches) for pair in pairs]
    assert values == sorted(values)
    assert 0 <= values[0] <= values[1] < NO_MATCH
    assert (values[2], values[-1]) == (MATCH, 1.0)
    rival = client_similarity(pairs[-1], match=False)
    assert rival < NO_MATCH
