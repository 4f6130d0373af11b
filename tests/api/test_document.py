"""The OpenAPI document: what people and code generators read of each operation."""

from pathlib import Path
from typing import Any

import pytest

from app.main import create_app
from tests.conftest import make_settings

Json = dict[str, Any]

DOCUMENT: Json = create_app(make_settings(Path("unused"))).openapi()
OPERATIONS: dict[tuple[str, str], Json] = {
    (method, path): operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
EXPECTED_IDS = {
    ("post", "/enroll"): "enroll",
    ("post", "/identify"): "identify",
    ("post", "/verify"): "verify",
    ("get", "/persons"): "list_persons",
    ("delete", "/persons/{person_id}"): "delete_person",
    ("get", "/words/{word}/nearest"): "nearest_to_word",
    ("get", "/v1/models"): "list_text_models",
    ("post", "/v1/embeddings"): "create_embeddings",
}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_parameter_has_a_description_and_an_example(method: str, path: str) -> None:
    lacking = [
        parameter["name"]
        for parameter in OPERATIONS[method, path].get("parameters", [])
        if not parameter.get("description")
        or not ("example" in parameter or parameter["schema"].get("examples"))
    ]
    assert not lacking


def test_operations_have_short_ids() -> None:
    """Generated clients name their functions after them."""
    ids = {key: operation["operationId"] for key, operation in OPERATIONS.items()}
    assert len(set(ids.values())) == len(ids)
    assert all(one.isidentifier() and one.islower() and len(one) <= 30 for one in ids.values())
    assert EXPECTED_IDS.items() <= ids.items()
