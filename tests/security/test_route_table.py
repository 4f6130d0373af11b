"""Every route has an entry in the route table, and every entry is enforced over HTTP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from app.api.authorization import AuthorizedRoute
from app.api.route_table import (
    COMPAT_ROUTES,
    COMPREFACE_ROUTES,
    DEEPSTACK_ROUTES,
    REKOGNITION_ROUTE,
    ROUTES,
    access_of,
)
from app.main import create_app
from app.settings import Role
from app.store.collections import get_collection, lock_collection
from app.store.erasures import delete_person
from app.store.people import NewPerson, add_person
from app.store.projections import ProjectionDetails, StoredProjection, add_projection
from tests.api.api_keys import Headers, new_key
from tests.conftest import MakeClient, make_settings, services_of
from tests.store.galleries import WITHIN

REQUIRING = [route for route, access in ROUTES.items() if access.role is not None]
SCOPED = [route for route, access in ROUTES.items() if access.scope not in ("none", "list")]
ORDER: tuple[Role, ...] = ("read", "enroll", "admin")
OWN: dict[str, Any] = {"collections": ("lobby",), "vocabularies": ("own",)}

IMAGE = {"image": "aW1hZ2U="}
PAIR = {"words": ["a", "b"]}
EXAMPLE = {"vector": [1.0], "attributes": ["a"]}
PROJECTION = {"name": "new", "examples": [EXAMPLE]}
FORBIDDEN: dict[str, dict[str, Any]] = {
    "POST /verify": {"json": {**IMAGE, "person_id": "{person_id}"}},
    "POST /identify": {"json": IMAGE},
    "POST /enroll": {"json": {**IMAGE, "name": "A"}},
    "POST /enroll/batch": {"json": {"items": [{**IMAGE, "name": "A"}]}},
    "PATCH /persons/{person_id}": {"json": {"name": "B"}},
    "PATCH /persons/{person_id}/photos/{template_id}": {"json": {"name": "B"}},
    "POST /persons/{person_id}/not-this": {"json": IMAGE},
    "POST /persons/{person_id}/merge": {"json": {"into": "nobody"}},
    "POST /collections": {"json": {"name": "other"}},
    "POST /collections/import": {"data": {"name": "other"}, "files": {"file": b"a"}},
    "POST /collections/{name}/visitors/{visitor_id}/promote": {"json": {"name": "B"}},
    "PATCH /collections/{name}": {"json": {"target_fmr": 0.01}},
    "GET /words": {"params": {"prefix": "a"}},
    "POST /words/nearest": {"json": {"positive": ["a"]}},
    "POST /words/similarity": {"json": PAIR},
    "POST /words/odd-one-out": {"json": {"words": ["a", "b", "c"]}},
    "POST /vocabularies": {"data": {"name": "other"}, "files": {"file": b"a 1\n"}},
    "PUT /vocabularies/{name}/words/{word:path}": {"json": {"vector": [1.0]}},
    "POST /v1/embeddings": {"json": {"model": "other", "input": "a"}},
    "POST /zero-shot/score": {"json": {"text": "a", "labels": ["b", "c"]}},
    "POST /zero-shot/classify": {
        "json": {"inputs": "a", "parameters": {"candidate_labels": ["b", "c"]}}
    },
    "POST /zero-shot/projections": {"json": PROJECTION},
}
"""Requests that name collections or vocabularies other than those of OWN."""


@pytest.fixture(scope="module")
def service(make_client: MakeClient) -> TestClient:
    """A service with keys that shows nothing to callers without one."""
    client = make_client(public=(), rate_limit_failures=None)
    new_key(client)
    return client


@pytest.fixture(scope="module")
def values(service: TestClient) -> dict[str, str]:
    """What the placeholders of paths stand for: things outside of OWN."""
    with services_of(service).database.write() as session:
        gallery = lock_collection(session, get_collection(session, "default"))
        person, deleted = (
            add_person(session, gallery, NewPerson(name, None, {})).person_id for name in "AB"
        )
        receipt = delete_person(session, deleted, WITHIN)
        details = ProjectionDetails("faces", (), 1, 1.0, 1.0, None, 0.0)
        one = np.ones((1, 1))
        add_projection(
            session, StoredProjection("looks", "", "other", "", details, one, one[0], one)
        )
    return {
        "person_id": person,
        "template_id": "none",
        "rejection_id": "none",
        "visitor_id": "none",
        "erasure_id": receipt.id,
        "key_id": "none",
        "word:path": "a",
        "word": "a",
        "name": "other",
        "model": "other",
    }


def send(
    client: TestClient, route: str, headers: Headers, values: Mapping[str, str], **body: Any
) -> httpx2.Response:
    method, path = route.split(" ")
    if "/projections/" in path:
        values = {**values, "name": "looks"}
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    if body.get("json", {}).get("person_id"):
        body = {"json": {**body["json"], "person_id": values["person_id"]}}
    return client.request(method, path, headers=headers, **body)


def detail(response: httpx2.Response) -> str:
    return str(response.json()["detail"])


def test_every_route_has_an_entry() -> None:
    app = create_app(
        make_settings(Path("unused"), compat=("compreface", "deepstack", "rekognition"))
    )
    enforced, others = set(), set()
    for context in iter_route_contexts(app.routes):
        found = {f"{method} {context.path}" for method in context.methods or ()}
        if isinstance(context.original_route, AuthorizedRoute):
            enforced |= found
        else:
            others |= found
    assert enforced == set(ROUTES) | set(COMPREFACE_ROUTES)
    assert others == {*DEEPSTACK_ROUTES, REKOGNITION_ROUTE}
    assert set(COMPAT_ROUTES) == others | set(COMPREFACE_ROUTES)


def test_a_route_without_an_entry_cannot_be_added() -> None:
    async def endpoint() -> None: ...

    with pytest.raises(LookupError, match=r"GET /new .*route_table\.py"):
        AuthorizedRoute("/new", endpoint, methods=["GET"])


@pytest.mark.parametrize("route", REQUIRING)
def test_without_a_key_a_route_is_401(
    service: TestClient, values: dict[str, str], route: str
) -> None:
    for headers in ({}, {"X-API-Key": "invented"}):
        refused = send(service, route, headers, values)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


@pytest.fixture(scope="module")
def keys(service: TestClient) -> dict[str, Headers]:
    """An unrestricted key of each role."""
    return {role: new_key(service, role, embeddings=True) for role in ORDER}


@pytest.mark.parametrize("route", REQUIRING)
def test_a_lower_role_is_403_and_the_role_suffices(
    service: TestClient, values: dict[str, str], keys: dict[str, Headers], route: str
) -> None:
    role = access_of(*route.split(" ")).role
    assert role is not None
    rank = ORDER.index(role)
    for lower in ORDER[:rank]:
        refused = send(service, route, keys[lower], values)
        assert refused.status_code == 403
        assert f"has the role {lower}; use a key with the role {role}" in detail(refused)
    if not route.startswith("DELETE"):  # the fixture's person is used by other tests
        assert send(service, route, keys[role], values).status_code not in (401, 403)


@pytest.mark.parametrize("route", SCOPED)
def test_a_key_of_another_scope_is_403(
    service: TestClient, values: dict[str, str], route: str
) -> None:
    key = new_key(service, "admin", **OWN)
    response = send(service, route, key, values, **FORBIDDEN.get(route, {}))
    if route == "POST /enroll/batch":
        [result] = response.json()["results"]
        assert (result["status"], result["problem"]["code"]) == (403, "forbidden")
        return
    assert (response.status_code, response.json()["code"]) == (403, "forbidden"), response.text
    assert "API key" in detail(response)


def test_both_scopes_of_a_projection_are_checked(service: TestClient) -> None:
    for collection, vocabulary, refused in (
        ("default", "own", "vocabulary"),
        ("lobby", "glove-6b-50d", "collection"),
    ):
        key = new_key(service, "admin", collections=(collection,), vocabularies=(vocabulary,))
        answer = service.post("/zero-shot/projections", headers=key, json=PROJECTION)
        assert answer.status_code == 403
        assert f"may not use the {refused}" in detail(answer)


@pytest.mark.parametrize("role", ["read", "enroll"])
@pytest.mark.parametrize("route", [one for one, access in ROUTES.items() if access.permission])
def test_embeddings_and_photos_need_a_permission(
    service: TestClient, values: dict[str, str], keys: dict[str, Headers], route: str, role: Any
) -> None:
    refused = send(service, route, new_key(service, role), values)
    assert refused.status_code == 403
    assert "--embeddings" in detail(refused)
    assert send(service, route, keys[role], values).status_code not in (401, 403)


def test_a_key_may_use_what_is_in_its_scope(service: TestClient, values: dict[str, str]) -> None:
    key = new_key(service, "admin", **OWN)
    assert service.post("/collections", headers=key, json={"name": "lobby"}).status_code == 201
    assert service.get("/collections/lobby", headers=key).status_code == 200
    assert service.get("/persons?collection=lobby", headers=key).json()["persons"] == []
    assert service.get("/vocabularies/own", headers=key).status_code == 404
    for unknown in ("default", "nowhere"):
        assert service.get(f"/collections/{unknown}", headers=key).status_code == 403


def test_lists_show_what_is_in_the_scope(service: TestClient, values: dict[str, str]) -> None:
    admin, key = new_key(service, "admin"), new_key(service, **OWN)
    service.post("/collections", headers=admin, json={"name": "lobby"})

    def names(headers: Headers) -> tuple[set[str], set[str], set[str]]:
        listed = service.get("/collections", headers=headers).json()["collections"]
        found = service.get("/zero-shot/projections", headers=headers).json()["projections"]
        ready = service.get("/ready", headers=headers).json()["collections"]
        return {one["name"] for one in listed}, {one["name"] for one in found}, set(ready)

    assert names(admin) == ({"default", "lobby"}, {"looks"}, {"default", "lobby"})
    assert names(key) == ({"lobby"}, set(), {"lobby"})


def test_strangers_learn_nothing_about_the_installation(service: TestClient) -> None:
    assert service.get("/ready").json() == {"status": "ready"}
    assert service.get("/ready", headers={"X-API-Key": "invented"}).status_code == 401
    for open_to_anybody in ("/health", "/models", "/version"):
        assert service.get(open_to_anybody).status_code == 200


@pytest.fixture(scope="module")
def compatible(make_client: MakeClient) -> TestClient:
    """A service with keys that offers the APIs of other services."""
    client = make_client(compat=("compreface", "deepstack"), rate_limit_failures=None)
    new_key(client)
    return client


@pytest.mark.parametrize("route", DEEPSTACK_ROUTES)
def test_routes_of_deepstack_are_enforced(compatible: TestClient, route: str) -> None:
    access = DEEPSTACK_ROUTES[route]

    def code(headers: Headers) -> int:
        path = route.removeprefix("POST ").replace("{key}", headers.get("X-API-Key", "invented"))
        answer = compatible.post(path, headers=headers, data={"userid": "nobody"})
        return int(answer.json()["code"])

    assert code({}) == 401
    assert code(new_key(compatible, "admin")) not in (401, 403)
    assert (code(new_key(compatible)) == 403) == (access.role == "enroll")
    restricted = code(new_key(compatible, "admin", **OWN))
    assert (restricted == 403) == (access.scope == "collection")


@pytest.mark.parametrize("route", COMPREFACE_ROUTES)
def test_routes_of_compreface_are_enforced(compatible: TestClient, route: str) -> None:
    access = COMPREFACE_ROUTES[route]

    def status(headers: Headers) -> int:
        method, path = route.split(" ")
        key = headers.get("X-API-Key", "invented")
        for name, value in (("key", key), ("image_id", "none"), ("subject:path", "nobody")):
            path = path.replace(f"{{{name}}}", value)
        sent = {} if "{key}" in route else headers
        answer = compatible.request(method, path, headers=sent, content=b"{" * 100)
        assert answer.is_success or answer.json().keys() == {"message", "code"}
        return answer.status_code

    assert status({}) == status({"X-API-Key": "invented"}) == 401
    assert status(new_key(compatible, "admin")) not in (401, 403)
    refused = access.role == "enroll" or access.permission is not None
    assert (status(new_key(compatible)) == 403) == refused
    assert status(new_key(compatible, "admin", **OWN)) not in (401, 403)  # its only collection
    bound = access.scope == "bound"
    several = new_key(compatible, "admin", collections=("lobby", "other"))
    assert (status(several) == 403) == bound
