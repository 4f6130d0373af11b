"""CompreFace's API over HTTP: subjects, examples, recognition, detection and verification."""

import base64
import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.compat.compreface.scores import MATCH, NO_MATCH, client_similarity
from app.compat.ids import image_id_of, template_id_of
from app.crypto.keyring import new_key as new_encryption_key
from app.faces.decisions.policy import Judgement
from tests.api.api_keys import Headers, new_key
from tests.conftest import MakeClient, upload

Photos = dict[str, bytes]
Json = dict[str, Any]
Send = Callable[..., Any]

API = "/api/v1"
RECOGNITION = f"{API}/recognition"
SUBJECTS, FACES = f"{RECOGNITION}/subjects", f"{RECOGNITION}/faces"
UNKNOWN = "0d1f2c8e-53b7-4f0e-9c0d-6c1f5a3d7b1e"


@pytest.fixture(scope="module")
def compreface(make_client: MakeClient) -> TestClient:
    """A service that offers CompreFace's API and stores photos."""
    return make_client(compat="compreface", store_photos=True, encryption_keys=new_encryption_key())


@pytest.fixture
def service(compreface: TestClient) -> TestClient:
    """The service with an empty gallery."""
    compreface.delete("/collections/default")
    return compreface


def has_message(value: object) -> bool:
    """Whether an answer has a field `message` anywhere; clients take that for an error."""
    if isinstance(value, dict):
        return "message" in value or any(has_message(one) for one in value.values())
    return isinstance(value, list) and any(has_message(one) for one in value)


def send(client: TestClient, method: str, path: str, status: int = 200, **more: Any) -> Any:
    """The JSON answer to a request that succeeds."""
    answer = client.request(method, path, **more)
    assert answer.status_code == status, answer.text
    assert not has_message(answer.json())
    return answer.json()


def refused(client: TestClient, method: str, path: str, **more: Any) -> tuple[int, int]:
    """Status and code of an error, which has no other fields than CompreFace's."""
    answer = client.request(method, path, **more)
    body = answer.json()
    assert body.keys() == {"message", "code"}, answer.text
    assert body["message"]
    return answer.status_code, body["code"]


def add(client: TestClient, subject: str, photo: bytes, **more: Any) -> str:
    """Adds an example; returns its id."""
    path = f"{FACES}?subject={subject}"
    added = send(client, "POST", path, 201, files=upload(photo, "file"), **more)
    assert added["subject"] == subject
    return str(added["image_id"])


def recognize(client: TestClient, photo: bytes, query: str = "", **more: Any) -> list[Json]:
    """The faces of a recognition."""
    path = f"{RECOGNITION}/recognize{query}"
    answer: Json = send(client, "POST", path, files=upload(photo, "file"), **more)
    return list(answer["result"])


def test_it_is_off_unless_the_setting_names_it(make_client: MakeClient) -> None:
    assert make_client().get(SUBJECTS).status_code == 404


def test_subjects_are_created_listed_renamed_and_deleted(service: TestClient) -> None:
    for name in ("Ada", "Grace/Hopper"):
        assert send(service, "POST", SUBJECTS, 201, json={"subject": name}) == {"subject": name}
    assert send(service, "GET", SUBJECTS) == {"subjects": ["Ada", "Grace/Hopper"]}
    assert refused(service, "POST", SUBJECTS, json={"subject": "Ada"}) == (400, 43)
    assert [one["name"] for one in service.get("/persons").json()["persons"]] == [
        "Ada",
        "Grace/Hopper",
    ]

    body = {"subject": "Countess", "api_endpoint": "Ada"}  # the Python client sends both
    assert send(service, "PUT", f"{SUBJECTS}/Ada", json=body) == {"updated": True}
    unchanged = send(service, "PUT", f"{SUBJECTS}/Countess", json={"subject": "Countess"})
    assert unchanged == {"updated": False}
    deleted = send(service, "DELETE", f"{SUBJECTS}/Grace%2FHopper")
    assert deleted == {"subject": "Grace/Hopper"}
    assert send(service, "GET", SUBJECTS) == {"subjects": ["Countess"]}
    assert send(service, "DELETE", SUBJECTS) == {"deleted": 1}
    for method, body in (("DELETE", {}), ("PUT", {"subject": "B"})):
        assert refused(service, method, f"{SUBJECTS}/Countess", json=body) == (404, 42)


def test_examples_are_added_listed_shown_and_deleted(service: TestClient, photos: Photos) -> None:
    first = add(service, "Barack", photos["obama"])
    second = add(service, "Barack", photos["obama3"])
    third = add(service, "Joe", photos["biden"])
    for image_id in (first, second, third):
        assert str(uuid.UUID(image_id)) == image_id
        assert uuid.UUID(image_id).version == 4
    assert service.get("/persons").json()["persons"][0]["photos"] == 2

    listed = send(service, "GET", f"{FACES}?page=1&size=2")
    assert listed == {
        "faces": [{"image_id": third, "subject": "Joe"}],
        "page_number": 1,
        "page_size": 2,
        "total_pages": 2,
        "total_elements": 3,
    }
    of_barack = send(service, "GET", f"{FACES}?subject=Barack")
    assert [one["image_id"] for one in of_barack["faces"]] == [first, second]
    assert (of_barack["page_size"], of_barack["total_pages"]) == (20, 1)
    assert send(service, "GET", f"{FACES}?subject=Nobody")["total_pages"] == 0

    for path in (f"{FACES}/{first}/img", f"{API}/static/any-key/images/{first.upper()}"):
        image = service.get(path)
        assert (image.content, image.headers["content-type"]) == (photos["obama"], "image/jpeg")
    unknown = refused(service, "GET", f"{API}/static/any-key/images/{UNKNOWN}")
    assert unknown == (404, 44)

    one = {"image_id": first, "subject": "Barack"}
    assert send(service, "DELETE", f"{FACES}/{first}") == one
    assert refused(service, "DELETE", f"{FACES}/{first}") == (404, 44)
    deleted = send(service, "POST", f"{FACES}/delete", json=[second, first, UNKNOWN, "no id"])
    assert deleted == [{"image_id": second, "subject": "Barack"}]
    assert send(service, "GET", SUBJECTS)["subjects"] == ["Barack", "Joe"]
    assert send(service, "DELETE", f"{FACES}?subject=Joe") == {"deleted": 1}
    assert send(service, "DELETE", f"{FACES}?subject=Joe") == {"deleted": 0}
    assert send(service, "GET", SUBJECTS)["subjects"] == ["Barack"]
    assert send(service, "DELETE", FACES) == {"deleted": 0}
    assert send(service, "GET", SUBJECTS) == {"subjects": []}


def test_simultaneous_examples_create_one_subject(service: TestClient, photos: Photos) -> None:
    with ThreadPoolExecutor(2) as pool:
        names = ("obama", "obama2", "obama3")
        ids = list(pool.map(lambda name: add(service, "Barack", photos[name]), names))
    assert len(set(ids)) == 3
    [person] = service.get("/persons").json()["persons"]
    assert (person["name"], person["photos"]) == ("Barack", 3)


def test_renaming_to_an_existing_name_merges(service: TestClient, photos: Photos) -> None:
    first = add(service, "Barack", photos["obama"])
    send(service, "POST", SUBJECTS, 201, json={"subject": "Obama"})
    body = {"subject": "Obama"}
    assert send(service, "PUT", f"{SUBJECTS}/Barack", json=body) == {"updated": True}
    listed = send(service, "GET", FACES)["faces"]
    assert listed == [{"image_id": first, "subject": "Obama"}]
    assert send(service, "GET", SUBJECTS) == {"subjects": ["Obama"]}
    assert recognize(service, photos["obama2"])[0]["subjects"][0]["subject"] == "Obama"
    assert service.get(f"{FACES}/{first}/img").content == photos["obama"]

    add(service, "Joe", photos["biden"])
    assert refused(service, "PUT", f"{SUBJECTS}/Joe", json=body) == (400, 26)  # another face
    assert send(service, "GET", SUBJECTS) == {"subjects": ["Obama", "Joe"]}


def test_faces_are_recognized(service: TestClient, photos: Photos) -> None:
    assert recognize(service, photos["obama"])[0]["subjects"] == []
    add(service, "Barack", photos["obama"])
    send(service, "POST", SUBJECTS, 201, json={"subject": "without faces"})
    add(service, "Eileen", photos["astronaut"])

    [known] = recognize(service, photos["obama2"])
    assert known.keys() == {"box", "subjects"}
    assert known["box"].keys() == {"probability", "x_min", "y_min", "x_max", "y_max"}
    assert [one["subject"] for one in known["subjects"]] == ["Barack"]
    assert known["subjects"][0]["similarity"] >= MATCH
    [unknown] = recognize(service, photos["biden"], "?prediction_count=10")
    similarities = [one["similarity"] for one in unknown["subjects"]]
    assert len(similarities) == 2
    assert similarities == sorted(similarities, reverse=True)
    assert max(similarities) < NO_MATCH

    both = recognize(service, photos["pair"])
    assert len(both) == 2
    assert len(recognize(service, photos["pair"], "?limit=1")) == 1


def test_plugins_and_status_add_fields(service: TestClient, photos: Photos) -> None:
    add(service, "Barack", photos["obama"])
    plugins = "age,gender,mask,pose,landmarks, calculator"
    query = f"?face_plugins={plugins}&status=True"
    files = upload(photos["obama2"], "file")
    answer = send(service, "POST", f"{RECOGNITION}/recognize{query}", files=files)
    [face] = answer["result"]
    expected = {"box", "subjects", "landmarks", "embedding", "execution_time"}
    assert face.keys() == expected
    assert len(face["landmarks"]) == 5
    assert all(isinstance(value, int) for point in face["landmarks"] for value in point)
    assert sum(value * value for value in face["embedding"]) == pytest.approx(1.0, abs=1e-4)
    assert face["execution_time"]["detector"] > 0
    assert answer["plugins_versions"] == {"detector": "mtcnn", "calculator": "sima-face-7"}

    detected = send(service, "POST", f"{API}/detection/detect{query}", files=files)
    assert detected["result"][0].keys() == expected - {"subjects"}
    assert detected["result"][0]["embedding"] == pytest.approx(face["embedding"], abs=1e-5)
    [plain] = send(service, "POST", f"{API}/detection/detect", files=files)["result"]
    assert plain == {"box": face["box"]}


def test_faces_are_verified(service: TestClient, photos: Photos) -> None:
    image_id = add(service, "Barack", photos["obama"])
    path = f"{FACES}/{image_id}/verify"
    both = send(service, "POST", path, files=upload(photos["pair"], "file"))["result"]
    assert {face["subject"] for face in both} == {"Barack"}
    assert sorted(face["similarity"] >= MATCH for face in both) == [False, True]
    assert min(face["similarity"] for face in both) < NO_MATCH
    none = refused(service, "POST", f"{FACES}/{UNKNOWN}/verify", files=upload(b"x", "file"))
    assert none == (404, 44)

    def compare(source: str, target: str, query: str = "") -> Json:
        files = upload(photos[source], "source_image") | upload(photos[target], "target_image")
        answer = send(service, "POST", f"{API}/verification/verify{query}", files=files)
        [result] = answer["result"]
        return dict(result)

    found = compare("obama2", "pair", "?face_plugins=landmarks&status=true")
    assert found.keys() == {"source_image_face", "face_matches", "plugins_versions"}
    assert found["source_image_face"].keys() == {"box", "landmarks", "execution_time"}
    assert sorted(one["similarity"] >= MATCH for one in found["face_matches"]) == [False, True]
    assert "plugins_versions" not in compare("obama", "obama2")
    files = upload(photos["pair"], "source_image") | upload(photos["obama"], "target_image")
    several = refused(service, "POST", f"{API}/verification/verify", files=files)
    assert several == (400, 31)


def test_embeddings_stand_in_for_faces(service: TestClient, photos: Photos) -> None:
    image_id = add(service, "Barack", photos["obama"])

    def embedding(name: str) -> list[float]:
        [face] = recognize(service, photos[name], "?face_plugins=calculator")
        return list(face["embedding"])

    known, stranger = embedding("obama2"), embedding("biden")
    body = {"embeddings": [stranger, known]}
    path = f"{RECOGNITION}/embeddings/recognize?prediction_count=3"
    first, second = send(service, "POST", path, json=body)["result"]
    assert (first["embedding"], second["embedding"]) == (stranger, known)
    assert [one["subject"] for one in second["similarities"]] == ["Barack"]
    assert second["similarities"][0]["similarity"] >= MATCH
    assert first["similarities"][0]["similarity"] < NO_MATCH

    pair = {"source": embedding("obama"), "targets": body["embeddings"]}
    for path, content in (
        (f"{RECOGNITION}/embeddings/faces/{image_id}/verify", body),
        (f"{API}/verification/embeddings/verify", pair),
    ):
        best, worst = send(service, "POST", path, json=content)["result"]
        assert (best["embedding"], worst["embedding"]) == (known, stranger)
        assert best["similarity"] >= MATCH
        assert worst["similarity"] < NO_MATCH


def test_images_are_accepted_as_base64(service: TestClient, photos: Photos) -> None:
    texts = {name: base64.b64encode(photo).decode() for name, photo in photos.items()}
    large = base64.b64encode(photos["obama"] + bytes(1_000_000)).decode()
    added = send(service, "POST", f"{FACES}?subject=B", 201, json={"file": large})
    body = {"file": texts["obama2"]}
    for path in (
        f"{RECOGNITION}/recognize",
        f"{FACES}/{added['image_id']}/verify",
        f"{API}/detection/detect",
    ):
        assert len(send(service, "POST", path, json=body)["result"]) == 1
    pair = {"source_image": large, "target_image": texts["obama2"]}
    send(service, "POST", f"{API}/verification/verify", json=pair)


def test_errors_have_the_form_of_compreface(service: TestClient, photos: Photos) -> None:
    nobody, pair = upload(photos["coffee"], "file"), upload(photos["pair"], "file")
    face = upload(photos["obama"], "file")
    add(service, "Barack", photos["obama"])
    adding = f"{FACES}?subject=B"
    for path, request, expected in (
        (f"{RECOGNITION}/recognize", {"files": nobody}, (400, 28)),
        (f"{API}/detection/detect", {"files": nobody}, (400, 28)),
        (adding, {"files": nobody}, (400, 28)),
        (adding, {"files": pair}, (400, 31)),
        (f"{adding}&det_prob_threshold=1", {"files": face}, (400, 28)),
        (FACES, {"files": face}, (400, 26)),
        (f"{FACES}?subject=", {"files": face}, (400, 26)),
        (adding, {"files": face}, (400, 26)),  # it is enrolled as Barack
        (f"{FACES}?subject=Barack", {"files": upload(photos["biden"], "file")}, (400, 26)),
        (f"{RECOGNITION}/recognize?det_prob_threshold=1", {"files": face}, (400, 28)),
        (f"{RECOGNITION}/recognize?prediction_count=0", {"files": face}, (400, 26)),
        (f"{RECOGNITION}/recognize?limit=-1", {"files": face}, (400, 26)),
        (f"{RECOGNITION}/recognize?det_prob_threshold=2", {"files": face}, (400, 26)),
        (f"{RECOGNITION}/recognize", {"files": upload(b"no image", "file")}, (400, 21)),
        (f"{RECOGNITION}/recognize", {"json": {"file": "%"}}, (400, 21)),
        (f"{RECOGNITION}/recognize", {"json": {}}, (400, 26)),
        (f"{RECOGNITION}/recognize", {"content": b"{"}, (400, 21)),
        (SUBJECTS, {"json": {"subject": ""}}, (400, 26)),
        (SUBJECTS, {"json": {"subject": "a\0"}}, (400, 26)),
        (SUBJECTS, {"content": b"{"}, (400, 26)),
        (SUBJECTS, {"content": b"\xff"}, (400, 26)),
        (f"{RECOGNITION}/embeddings/recognize", {"json": {"embeddings": []}}, (400, 26)),
        (f"{RECOGNITION}/embeddings/recognize", {"json": {"embeddings": [[1.0]]}}, (400, 26)),
        (f"{API}/verification/embeddings/verify", {"json": {"source": [1]}}, (400, 26)),
        (f"{FACES}/delete", {"json": {"ids": []}}, (400, 26)),
    ):
        assert refused(service, "POST", path, **request) == expected, (path, request)
    assert refused(service, "GET", f"{FACES}?page=a") == (400, 26)
    assert refused(service, "GET", f"{FACES}?subject=%00") == (400, 26)


def test_the_key_selects_the_collection(make_client: MakeClient, photos: Photos) -> None:
    client = make_client(compat="compreface", rate_limit="40/hour")
    admin = new_key(client, "admin")
    client.post("/collections", headers=admin, json={"name": "lobby"})
    lobby = new_key(client, "enroll", collections=("lobby",))
    image_id = add(client, "Barack", photos["obama"], headers=lobby)
    assert send(client, "GET", SUBJECTS, headers=lobby) == {"subjects": ["Barack"]}
    assert send(client, "GET", SUBJECTS, headers=admin) == {"subjects": []}
    [stranger] = recognize(client, photos["obama2"], headers=admin)
    assert stranger["subjects"] == []

    def code(headers: Headers, method: str, path: str) -> tuple[int, int]:
        return refused(client, method, path, headers=headers)

    assert code(admin, "DELETE", f"{FACES}/{image_id}") == (404, 44)
    gone = new_key(client, "admin", collections=("gone",))
    assert code(gone, "GET", SUBJECTS) == (404, 10)
    several = new_key(client, "admin", collections=("lobby", "other"))
    assert code(several, "GET", SUBJECTS) == (403, 10)
    with_default = new_key(client, collections=("default", "lobby"))
    assert send(client, "GET", SUBJECTS, headers=with_default) == {"subjects": []}

    assert code({}, "GET", SUBJECTS) == (401, 20)
    assert code(new_key(client), "DELETE", SUBJECTS) == (403, 10)
    reader = new_key(client, collections=("lobby",))
    assert code(reader, "GET", f"{FACES}/{image_id}/img") == (403, 10)
    viewer = new_key(client, collections=("lobby",), embeddings=True)
    assert code(viewer, "GET", f"{FACES}/{image_id}/img") == (404, 44)  # photos are not stored
    key = viewer["X-API-Key"]
    assert code({}, "GET", f"{API}/static/{key}/images/{image_id}") == (404, 44)
    for unknown in ("invented", "سیما"):
        assert code(admin, "GET", f"{API}/static/{unknown}/images/{image_id}") == (401, 20)
    files = upload(photos["obama"], "file")
    path = f"{API}/detection/detect?face_plugins=calculator"
    assert refused(client, "POST", path, headers=reader, files=files) == (403, 10)
    path = f"{API}/detection/detect?face_plugins=landmarks"
    send(client, "POST", path, headers=reader, files=files)
    limited = [client.get(SUBJECTS, headers=reader) for _ in range(60)][-1]
    assert (limited.status_code, limited.json()["code"]) == (429, 0)
    assert int(limited.headers["Retry-After"]) > 0


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


def test_ids_are_uuids_and_return() -> None:
    template_id = "0123456789abcdef01234567"
    image_id = image_id_of(template_id)
    assert uuid.UUID(image_id).version == 4
    assert template_id_of(image_id) == template_id_of(image_id.upper()) == template_id
    for other in (UNKNOWN, template_id, "", "x" * 36, image_id[:-1] + "1", json.dumps(image_id)):
        assert template_id_of(other) == ""
