"""Errors, keys and ids of CompreFace's API."""

import json
import uuid

from fastapi.testclient import TestClient

from app.compat.ids import image_id_of, template_id_of
from tests.api.api_keys import Headers, new_key
from tests.compat.compreface_client import (
    API,
    FACES,
    RECOGNITION,
    SUBJECTS,
    UNKNOWN,
    Photos,
    add,
    recognize,
    refused,
    send,
)
from tests.conftest import MakeClient, upload


def test_errors_have_the_form_of_compreface(compreface: TestClient, photos: Photos) -> None:
    nobody, pair = upload(photos["coffee"], "file"), upload(photos["pair"], "file")
    face = upload(photos["obama"], "file")
    add(compreface, "Barack", photos["obama"])
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
        assert refused(compreface, "POST", path, **request) == expected, (path, request)
    assert refused(compreface, "GET", f"{FACES}?page=a") == (400, 26)
    assert refused(compreface, "GET", f"{FACES}?subject=%00") == (400, 26)


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


def test_ids_are_uuids_and_return() -> None:
    template_id = "0123456789abcdef01234567"
    image_id = image_id_of(template_id)
    assert uuid.UUID(image_id).version == 4
    assert template_id_of(image_id) == template_id_of(image_id.upper()) == template_id
    for other in (UNKNOWN, template_id, "", "x" * 36, image_id[:-1] + "1", json.dumps(image_id)):
        assert template_id_of(other) == ""
