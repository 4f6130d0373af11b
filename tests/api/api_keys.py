"""Keys for the tests of the API."""

from datetime import timedelta

from fastapi.testclient import TestClient

from app.settings import Role
from app.store.api_keys import KeyRights, create_key
from tests.conftest import services_of

Headers = dict[str, str]


def new_key(
    client: TestClient,
    role: Role = "read",
    lifetime: timedelta | None = None,
    **rights: object,
) -> Headers:
    """Creates a key in the store of a running application; returns its header."""
    with services_of(client).database.write() as session:
        granted = KeyRights(role, **rights)  # type: ignore[arg-type]  # the tests name the fields
        _, text = create_key(session, "test", granted, lifetime)
    return {"X-API-Key": text.text}


def id_of(headers: Headers) -> str:
    """The id of a key."""
    return headers["X-API-Key"].split("_")[1]
