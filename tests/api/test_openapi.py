"""Generated requests: every response conforms to the OpenAPI document, and none is a 500."""

from pathlib import Path

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.main import create_app
from tests.conftest import MakeClient, make_settings

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    (method, path, mode)
    for path, item in create_app(make_settings(Path("unused"))).openapi()["paths"].items()
    for method, operation in item.items()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    # An operation without input has no invalid requests.
    if mode is GenerationMode.POSITIVE or {"parameters", "requestBody"} & set(operation)
]


KEY = {"X-API-Key": "the-writing-key"}
"""Requests of a service without keys may make one, and the next ones would be refused."""


@pytest.fixture(scope="module")
def live(make_client: MakeClient) -> TestClient:
    """An application with an empty store."""
    return make_client(api_keys={KEY["X-API-Key"]: "write"})


@pytest.fixture(scope="module")
def document(live: TestClient) -> BaseSchema:
    """The OpenAPI document of the application."""
    return schemathesis.openapi.from_asgi("/openapi.json", live.app)


@pytest.mark.parametrize(("method", "path", "mode"), OPERATIONS)
def test_responses_conform_to_the_document(
    document: BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    operation = document[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS, headers=KEY)

    run()
