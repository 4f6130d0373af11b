"""Hostile input to CompreFace's API: errors in its form, and never a failure of the server."""

import json

import pytest
from fastapi.testclient import TestClient

from app.api.route_table import COMPREFACE_ROUTES
from tests.conftest import MakeClient

IDS = ("none", "5f3b1c9a-6f0e-4a7d-8d53-0b6f1c000000", "%ED%A0%80", "a" * 5_000)
QUERIES = (
    "page=-1",
    "page=99999999999999999999&size=0",
    "page=2147483647&size=2147483647",
    "limit=1e3&prediction_count=-1",
    "det_prob_threshold=nan",
    "det_prob_threshold=0.5%3Fprediction_count=1&status=maybe",
    "subject=%00",
    "subject=%ED%A0%80",
    f"subject={'a' * 5_000}",
    f"face_plugins={'calculator,' * 500}",
)
BODIES = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'[1, {"a": []}]',
    b"[" * 50_000,
    b'{"subject": 1, "file": 1, "embeddings": 1, "source": 1}',
    b'{"subject": "\\ud800", "file": "\\ud800"}',
    b'{"embeddings": [[NaN, Infinity]], "source": [1e999], "targets": [[]]}',
    b'{"embeddings": [[0, 0]], "source": [0], "targets": [[0]], "source_image": "", "file": ""}',
    json.dumps({"subject": "a" * 5_000, "file": "data:image/png,x"}).encode(),
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n\xff\xd8\r\n--x--',
)
TYPES = ("text/plain", "multipart/form-data", "multipart/form-data; boundary=x")


@pytest.fixture(scope="module")
def service(make_client: MakeClient) -> TestClient:
    """A service without keys that offers CompreFace's API."""
    return make_client(compat="compreface")


@pytest.mark.parametrize("route", COMPREFACE_ROUTES)
def test_hostile_input_is_refused(service: TestClient, route: str) -> None:
    method, template = route.split(" ")
    for number, body in enumerate(BODIES):
        for kind in ("application/json", TYPES[number % len(TYPES)]):
            name, query = IDS[number % len(IDS)], QUERIES[number % len(QUERIES)]
            path = template.replace("{image_id}", name).replace("{subject:path}", name)
            path = path.replace("{key}", ("key", "سیما", "%FF")[number % 3])
            headers = {"Content-Type": kind}
            answer = service.request(method, f"{path}?{query}", content=body, headers=headers)
            assert answer.status_code < 500, (path, query, body[:100], kind, answer.text)
            if not answer.is_success:
                assert answer.json().keys() == {"message", "code"}, answer.text
