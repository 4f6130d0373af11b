"""Schema migrations: upgrade, downgrade, and agreement with the declared tables."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import (
    Connection,
    DateTime,
    column,
    insert,
    inspect,
    table,
    text,
)

from app.errors import ExternalIdTaken, NotReady
from app.settings import PROJECT
from app.store.collections import get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.schema import downgrade, upgrade
from app.store.db.tables import Base
from app.store.people import NewPerson, add_person
from app.store.shadow import get_shadow


def test_the_migrated_schema_equals_the_declared_tables(empty: Database) -> None:
    upgrade(empty)
    with empty.read() as session:
        found = inspect(session.connection())
        for name, table in Base.metadata.tables.items():
            columns = {c["name"]: c["nullable"] for c in found.get_columns(name)}
            assert columns == {c.name: bool(c.nullable) for c in table.columns}, name
            indexes = {i["name"] for i in found.get_indexes(name)}
            assert {i.name for i in table.indexes} <= indexes, name


def test_upgrade_downgrade_and_upgrade_again(empty: Database) -> None:
    upgrade(empty)
    upgrade(empty)
    downgrade(empty, "base")
    with empty.read() as session:
        assert inspect(session.connection()).get_table_names() == ["alembic_version"]
    with pytest.raises(NotReady):
        empty.check()
    upgrade(empty)
    empty.check()


def test_concurrent_upgrades_run_each_migration_once(tmp_path: Path) -> None:
    path = str(tmp_path / "a.db")
    database = Database(f"sqlite:///{path}")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(_upgrade_in_a_process, [path] * 4))
    database.check()


def _upgrade_in_a_process(path: str) -> None:
    code = (
        "import sys; from app.store.db.database import Database; "
        "from app.store.db.schema import upgrade; "
        "upgrade(Database('sqlite:///' + sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True, cwd=PROJECT, timeout=60)


def test_0007_renames_counterparts_to_shadow_collections(empty: Database) -> None:
    """A database written by revision 0006 keeps its second space, in both directions."""
    upgrade(empty, "0006")
    with empty.write() as session:
        _insert_rows_of_0006(session.connection())
    upgrade(empty, "0007")
    upgrade(empty)
    with empty.read() as session:
        gallery = get_collection(session, "people")
        shadow = get_shadow(session, gallery)
        assert (shadow.name, shadow.kind, shadow.space.name) == ("~1", "shadow", "new")
        indexes = {i["name"]: i for i in inspect(session.connection()).get_indexes("collections")}
        assert "uq_collections_counterpart" not in indexes
        assert indexes["uq_collections_shadow"]["unique"]
    downgrade(empty, "0006")
    with empty.read() as session:
        query = text("SELECT id, name, kind, counterpart_of FROM collections ORDER BY id")
        rows = [tuple(row) for row in session.execute(query)]
        assert rows == [(1, "people", "gallery", None), (2, "~1", "counterpart", 1)]
        indexes = {i["name"]: i for i in inspect(session.connection()).get_indexes("collections")}
        assert indexes["uq_collections_counterpart"]["unique"]
    upgrade(empty)


def _insert_rows_of_0006(connection: Connection) -> None:
    for row_id, name in ((1, "old"), (2, "new")):
        _insert(connection, "embedding_spaces", id=row_id, name=name, digest=name, dimension=4)
    gallery = {"id": 1, "name": "people", "kind": "gallery", "space_id": 1, "counterpart_of": None}
    other = {"id": 2, "name": "~1", "kind": "counterpart", "space_id": 2, "counterpart_of": 1}
    for row in (gallery, other):
        _insert(connection, "collections", **row, revision=0, size=0)


def _insert(connection: Connection, into: str, **values: object) -> None:
    created_at = column("created_at", DateTime(timezone=True))
    row = {**values, "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    connection.execute(insert(table(into, *map(column, values), created_at)).values(row))


def test_0011_makes_external_ids_unique(empty: Database) -> None:
    upgrade(empty, "0010")
    with empty.write() as session:
        _insert_people(session.connection(), {"a": "1", "b": "2", "c": None, "d": None})
    upgrade(empty)
    assert "uq_entries_external_id" in _indexes_of_entries(empty)
    with pytest.raises(NotReady), empty.write() as session:
        _insert_person(session.connection(), 9, 1, "e", "2")
    downgrade(empty, "0010")
    assert "uq_entries_external_id" not in _indexes_of_entries(empty)


def test_0011_lists_people_who_share_an_external_id_and_keeps_them(
    empty: Database, caplog: pytest.LogCaptureFixture
) -> None:
    people = {"a": "secret", "b": "2", "c": "secret", "d": None}
    upgrade(empty, "0010")
    with empty.write() as session:
        _insert_people(session.connection(), people)
    upgrade(empty)
    assert "external_id_shared" in caplog.text
    assert "['a', 'c']" in caplog.text
    assert "secret" not in caplog.text, "external ids are personal data"
    assert "'b'" not in caplog.text
    assert "uq_entries_external_id" not in _indexes_of_entries(empty)
    with empty.read() as session:
        stored = session.execute(text("SELECT public_id, external_id FROM entries"))
        assert {row[0]: row[1] for row in stored if row[0] != "z"} == people

    with pytest.raises(ExternalIdTaken) as raised, empty.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        add_person(session, gallery, NewPerson("E", "secret", {}))
    assert raised.value.person_id == "a"
    downgrade(empty, "0010")


def _insert_people(connection: Connection, people: dict[str, str | None]) -> None:
    """Inserts people by public id, with their external ids, and one in another gallery."""
    _insert(connection, "embedding_spaces", id=1, name="old", digest="old", dimension=4)
    for row_id, name in ((1, "people"), (2, "others")):
        _insert(
            connection,
            "collections",
            id=row_id,
            name=name,
            kind="gallery",
            space_id=1,
            revision=0,
            size=0,
        )
    for row_id, (person_id, external_id) in enumerate(people.items(), start=1):
        _insert_person(connection, row_id, 1, person_id, external_id)
    _insert_person(connection, 8, 2, "z", "2")


def _insert_person(
    connection: Connection, row_id: int, collection_id: int, person_id: str, external_id: str | None
) -> None:
    _insert(
        connection,
        "entries",
        id=row_id,
        collection_id=collection_id,
        public_id=person_id,
        name="P",
        external_id=external_id,
        metadata="{}",
    )


def _indexes_of_entries(database: Database) -> set[str | None]:
    with database.read() as session:
        return {i["name"] for i in inspect(session.connection()).get_indexes("entries")}


def test_support_sets_are_read_by_their_index(tmp_path: Path) -> None:
    """SQLite must not choose the index by collection, which scans a whole gallery."""
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    upgrade(database)
    query = "SELECT count(*) FROM templates WHERE entry_id = 1 AND collection_id = 1"
    with database.read() as session:
        plan = session.execute(text(f"EXPLAIN QUERY PLAN {query}")).all()
    assert "ix_templates_support_set" in str(plan)
