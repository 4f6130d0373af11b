"""The audit log: what requests record, and that every route has an audit decision."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute, Route

from app.api.audit_routes import AUDIT_DECISIONS, Audited, NotAudited
from app.api.route_table import COMPAT_ROUTES, ROUTES
from app.crypto.keyring import new_key
from app.store.audit_log import AuditFilter, AuditLog
from tests.conftest import MakeClient, enroll, services_of, upload
from tests.store.galleries import add_people, made_up_people

Photos = dict[str, bytes]
GLOVE = b"king 1 0 0\nqueen 0.9 0.1 0\nman 0 1 0\n"
WRITER = {"X-API-Key": "the-writing-key"}


def recorded(client: TestClient) -> list[dict[str, Any]]:
    """All events of the audit log, after it was verified."""
    log = AuditLog(services_of(client).database)
    log.verify()
    return [entry.content() for entry in log.entries(AuditFilter())]


def acts(client: TestClient, first: int = 0) -> list[tuple[str, str]]:
    """Action and decision of the events from number `first` on."""
    return [(e["action"], e["decision"]) for e in recorded(client)[first:]]


def routes_of(client: TestClient) -> set[str]:
    """Method and path of every route. FastAPI includes routers lazily."""

    def walk(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
        for route in routes:
            if isinstance(route, Route):
                yield from ((method, route.path) for method in route.methods or ())
            else:
                yield from walk(cast(Any, route).original_router.routes)

    found = set(walk(cast(FastAPI, client.app).routes))
    return {f"{method} {path}" for method, path in found if method != "HEAD"}


@pytest.fixture(scope="module")
def service(make_client: MakeClient) -> TestClient:
    """A service with a key, which stores photos."""
    client = make_client(
        api_keys={WRITER["X-API-Key"]: "write"},
        default_vocabulary="small",
        store_photos=True,
        store_crops=True,
        compat=("compreface", "deepstack", "rekognition"),
        encryption_keys=new_key(),
    )
    client.headers.update(WRITER)
    return client


def test_every_route_has_an_audit_decision(service: TestClient) -> None:
    found = routes_of(service)
    assert found == set(AUDIT_DECISIONS)
    assert found == set(ROUTES) | set(COMPAT_ROUTES)  # these state role and scope
    reasons = [d.reason for d in AUDIT_DECISIONS.values() if isinstance(d, NotAudited)]
    assert all(reason.startswith("it ") for reason in reasons)


class Caller:
    """Sends requests, and collects the route and what it recorded."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.found: dict[str, set[str]] = {}

    def send(self, method: str, route: str, status: int, **more: Any) -> Any:
        path = route.replace(":path}", "}").format(**more.pop("at", {}))
        before = len(recorded(self.client))
        answer = self.client.request(method, path, **more)
        assert answer.status_code == status, answer.text
        self.found[f"{method} {route}"] = {action for action, _ in acts(self.client, before)}
        return answer


def correct(calls: Caller, at: dict[str, str]) -> None:
    """Moves the template of a person to another one, rejects it, and merges the two."""
    new, photo = {"name": "E"}, "/persons/{person_id}/photos/{template_id}"
    moved = calls.send("PATCH", photo, 200, at=at, json=new).json()
    other = {"person_id": moved["person"]["person_id"]}
    not_this, rejected = "/persons/{person_id}/not-this", {"template_id": at["template_id"]}
    stored = calls.send("POST", not_this, 201, at=at, json=rejected).json()
    calls.send("GET", not_this, 200, at=at)
    calls.send("DELETE", f"{not_this}/{{rejection_id}}", 204, at={**at, **stored})
    merge = {"into": at["person_id"]}
    calls.send("POST", "/persons/{person_id}/merge", 200, at=other, json=merge)


def visit(calls: Caller, photo: bytes) -> None:
    """Promotes a visitor of the lobby, and deletes another one."""
    lobby, url = {"name": "lobby"}, "/collections/{name}/visitors"
    calls.send("PATCH", "/collections/{name}", 200, at=lobby, json={"visitors": {"days": 1}})
    for method, path, status in (
        ("DELETE", "/{visitor_id}", 204),
        ("POST", "/{visitor_id}/promote", 201),
    ):
        query = {"collection": "lobby"}
        calls.send("POST", "/identify", 200, files=upload(photo), data=query)
        [visitor] = calls.send("GET", url, 200, at=lobby).json()["visitors"]
        body = {"json": {"name": "B"}} if method == "POST" else {}
        calls.send(method, url + path, status, at={**lobby, **visitor}, **body)


def administer(calls: Caller) -> None:
    """Exports, imports and calibrates galleries, and creates, lists and revokes a key."""
    send, lobby = calls.send, {"name": "lobby"}
    archive = send("GET", "/collections/{name}/export", 200, at=lobby).content
    copy = {"data": {"name": "copy"}, "files": {"file": ("a.sima", archive)}}
    send("POST", "/collections/import", 201, **copy)
    crowd = made_up_people(150, 1, services_of(calls.client).embedder.space.dimension)
    add_people(services_of(calls.client).database, "copy", crowd)
    for method, status in (("POST", 200), ("DELETE", 204)):
        send(method, "/collections/{name}/calibration", status, at={"name": "copy"})
    key = send("POST", "/api-keys", 201, json={"name": "a", "role": "read"}).json()
    send("GET", "/api-keys", 200)
    send("DELETE", "/api-keys/{key_id}", 204, at={"key_id": key["id"]})
    send("GET", "/erasures", 200)
    send("GET", "/audit", 200)


def test_requests_record_the_action_of_their_route(service: TestClient, photos: Photos) -> None:
    calls = Caller(service)
    send, face = calls.send, upload(photos["astronaut"])
    send("POST", "/collections", 201, json={"name": "lobby"})
    send("PATCH", "/collections/{name}", 200, at={"name": "lobby"}, json={"target_fmr": 0.01})
    fields = {"name": "Eileen", "collection": "lobby"}
    person = send("POST", "/enroll", 201, files=face, data=fields).json()
    at = {"person_id": person["person_id"], "template_id": person["template_id"]}
    image = base64.b64encode(photos["biden"]).decode()
    send("POST", "/enroll/batch", 200, json={"items": [{"name": "Joe", "image": image}]})
    send("POST", "/detect", 200, files=face)
    send("POST", "/embed", 200, files=face)
    send("POST", "/identify", 200, files=face, data={"collection": "lobby"})
    send("POST", "/verify", 200, files=face, data={"person_id": at["person_id"]})
    send("GET", "/persons", 200, params={"collection": "lobby"})
    send("GET", "/persons/{person_id}", 200, at=at)
    send("GET", "/persons/{person_id}/photos", 200, at=at)
    send("GET", "/persons/{person_id}/photos/{template_id}/image", 200, at=at)
    send("GET", "/persons/{person_id}/photos/{template_id}/crop", 200, at=at)
    send("PATCH", "/persons/{person_id}", 200, at=at, json={"name": "E. Collins"})
    correct(calls, at)
    send("DELETE", "/persons/{person_id}/photos/{template_id}", 204, at=at)
    send("DELETE", "/persons/{person_id}", 204, at=at)
    visit(calls, photos["obama"])
    administer(calls)
    send("DELETE", "/collections/{name}", 204, at={"name": "lobby"})
    file = {"file": ("v.txt", io.BytesIO(GLOVE))}
    send("POST", "/vocabularies", 201, files=file, data={"name": "small"})
    word = {"name": "small", "word": "king"}
    vector = {"vector": [1.0, 2.0, 3.0]}
    send("PUT", "/vocabularies/{name}/words/{word:path}", 200, at=word, json=vector)
    send("GET", "/vocabularies/{name}/export", 200, at=word)
    texts = [{"text": word, "attributes": [word]} for word in ("king", "queen", "man", "king")]
    new = {"name": "p", "source": "small", "vocabulary": "small", "examples": texts}
    send("POST", "/zero-shot/projections", 201, json=new)
    send("DELETE", "/zero-shot/projections/{name}", 204, at={"name": "p"})
    send("DELETE", "/vocabularies/{name}/words/{word:path}", 204, at=word)
    send("DELETE", "/vocabularies/{name}", 204, at=word)
    obama, user = upload(photos["obama"]), {"userid": "Barack"}
    both = upload(photos["obama"], "image1") | upload(photos["obama"], "image2")
    send("POST", "/v1/vision/face/register", 200, files=obama, data=user)
    send("POST", "/v1/vision/face/recognize", 200, files=obama)
    send("POST", "/v1/vision/face/match", 200, files=both)
    send("POST", "/v1/vision/face/list", 200)
    send("POST", "/v1/vision/face/delete", 200, data=user)
    use_compreface(calls, photos)
    audited = {r for r, decision in AUDIT_DECISIONS.items() if isinstance(decision, Audited)}
    assert {route for route in audited if "/{key}/v1/" not in route} <= calls.found.keys()
    for route, actions in calls.found.items():
        decision = AUDIT_DECISIONS[route]
        assert actions == ({decision.action} if isinstance(decision, Audited) else set()), route


def use_compreface(calls: Caller, photos: Photos) -> None:
    """Sends the requests of CompreFace's API that read or change what is stored."""
    send, root = calls.send, "/api/v1/recognition"
    obama = upload(photos["obama"], "file")
    send("POST", f"{root}/subjects", 201, json={"subject": "A"})
    send("GET", f"{root}/subjects", 200)
    send(
        "PUT", f"{root}/subjects/{{subject:path}}", 200, at={"subject": "A"}, json={"subject": "B"}
    )
    added = send("POST", f"{root}/faces", 201, files=obama, params={"subject": "B"}).json()
    at = {"image_id": added["image_id"], "key": WRITER["X-API-Key"]}
    send("GET", f"{root}/faces", 200)
    send("GET", f"{root}/faces/{{image_id}}/img", 200, at=at)
    send("GET", "/api/v1/static/{key}/images/{image_id}", 200, at=at)
    send("POST", f"{root}/recognize", 200, files=obama)
    send("POST", f"{root}/faces/{{image_id}}/verify", 200, at=at, files=obama)
    send("POST", "/api/v1/detection/detect", 200, files=obama)
    pair = upload(photos["obama"], "source_image") | upload(photos["obama"], "target_image")
    send("POST", "/api/v1/verification/verify", 200, files=pair)
    embedding = [1.0] * 256
    body: dict[str, Any] = {"embeddings": [embedding]}
    send("POST", f"{root}/embeddings/recognize", 200, json=body)
    send("POST", f"{root}/embeddings/faces/{{image_id}}/verify", 200, at=at, json=body)
    body = {"source": embedding, "targets": [embedding]}
    send("POST", "/api/v1/verification/embeddings/verify", 200, json=body)
    send("DELETE", f"{root}/faces/{{image_id}}", 200, at=at)
    more = send("POST", f"{root}/faces", 201, files=obama, params={"subject": "B"}).json()
    send("POST", f"{root}/faces/delete", 200, json=[more["image_id"]])
    send("DELETE", f"{root}/subjects/{{subject:path}}", 200, at={"subject": "B"})
    send("POST", f"{root}/subjects", 201, json={"subject": "C"})
    send("DELETE", f"{root}/faces", 200, params={"subject": "C"})
    send("POST", f"{root}/subjects", 201, json={"subject": "D"})
    send("DELETE", f"{root}/subjects", 200)


def test_an_event_names_key_address_person_and_request(service: TestClient, photos: Photos) -> None:
    before = len(recorded(service))
    service.headers["X-Request-ID"] = "request-7"
    try:
        person = enroll(service, photos["obama"], "Barack Obama", metadata='{"badge": "B-12"}')
        found = service.post("/identify", files=upload(photos["obama"])).json()
    finally:
        del service.headers["X-Request-ID"]
    assert found["faces"][0]["decision"] == "match"
    events = recorded(service)[before:]
    assert [(e["action"], e["decision"]) for e in events] == [
        ("enroll", "enrolled"),
        ("identify", "match"),
    ]
    for event in events:
        assert event["key_id"] == "setting-1"
        assert event["address"] == "testclient"
        assert event["request_id"] == "request-7"
        assert event["collection"] == "default"
        assert event["person_id"] == person["person_id"]
        assert str(event["time"]).endswith("+00:00")
    written = json.dumps(recorded(service))
    for secret in ("Barack", "Obama", "B-12", "badge", WRITER["X-API-Key"]):
        assert secret not in written
