"""No byte of deleted people is in the SQLite file after their receipts are complete."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.index.exact import ExactIndex
from app.store.collections import create_collection, get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY
from app.store.erasures import delete_person, get_receipt
from app.store.housekeeping import Housekeeper
from app.store.index_sync import IndexSync
from app.store.people import NewPerson, add_person
from app.store.templates import add_template
from app.vectors import EmbeddingSpace, Vector, l2_normalize
from tests.store.galleries import WITHIN

PEOPLE, DELETED, BATCH = 400, 100, 50
DIMENSION = 256
SECRET = b"a copy of a deleted row"
_LEAF_OF_TABLE = 0x0D
_PART = 8  # bytes
_BUCKETS = 1 << 22

Made = dict[str, list[bytes]]
"""What must not be found after a deletion, by person_id."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A migrated database in a file, with one empty gallery."""
    opened = Database(f"sqlite:///{tmp_path / 'sima.db'}")
    upgrade(opened)
    with opened.write() as session:
        space = EmbeddingSpace("test", "sha256:test", DIMENSION)
        create_collection(session, "people", GALLERY, space)
    yield opened
    opened.close()


@pytest.fixture
def housekeeper(database: Database) -> Housekeeper:
    """Purges deleted bytes."""
    return Housekeeper(database, IndexSync(lambda _collection: ExactIndex(DIMENSION)), 300.0)


def add_people(database: Database, count: int) -> Made:
    """Adds people with random names, external ids, metadata and vectors, in several commits."""
    rng, made = np.random.default_rng(), Made()
    for _ in range(count // BATCH):
        with database.write() as session:
            gallery = lock_collection(session, get_collection(session, "people"))
            for _ in range(BATCH):
                name, external_id, note = (secrets.token_urlsafe(12) for _ in range(3))
                new = NewPerson(name, external_id, {"note": note})
                person = add_person(session, gallery, new)
                vector: Vector = l2_normalize(rng.normal(size=DIMENSION))
                add_template(session, gallery, person, vector, 0.9)
                texts = [one.encode() for one in (name, external_id, note)]
                made[person.person_id] = [*texts, vector.astype("<f4").tobytes()]
    return made


def delete(database: Database, people: list[str]) -> list[str]:
    """Deletes the people, in several commits; returns the ids of the receipts."""
    receipts: list[str] = []
    for start in range(0, len(people), BATCH):
        with database.write() as session:
            batch = people[start : start + BATCH]
            receipts += [delete_person(session, one, WITHIN).id for one in batch]
    return receipts


def are_complete(database: Database, receipts: list[str]) -> set[bool]:
    """Whether the receipts are complete: {True} if all of them are."""
    with database.read() as session:
        return {get_receipt(session, one).completed_at is not None for one in receipts}


def found(folder: Path, made: Made, people: list[str]) -> dict[str, str]:
    """The people of whom eight successive bytes are in a file, with the name of that file."""
    owners = {
        int.from_bytes(secret[at : at + _PART], "little"): one
        for one in people
        for secret in made[one]
        for at in range(0, len(secret) - _PART + 1, _PART)
    }
    is_wanted = np.zeros(_BUCKETS, bool)  # by the lowest bits, before the exact comparison
    is_wanted[np.array(list(owners), np.uint64) % _BUCKETS] = True
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name == "sima.db" for file in files)
    return {
        owners[part]: file.name
        for file in files
        for windows in _windows(file.read_bytes())
        for part in windows[is_wanted[windows % _BUCKETS]].tolist()
        if part in owners
    }


def _windows(data: bytes) -> Iterator[np.ndarray[tuple[int], np.dtype[np.uint64]]]:
    """Every eight successive bytes, as numbers."""
    for start in range(min(_PART, len(data))):
        yield np.frombuffer(data, "<u8", (len(data) - start) // _PART, start)


def write_into_unused_space(file: Path) -> None:
    """Writes SECRET into the unused part of a page, where SQLite leaves copies of moved rows.

    Source: "Database File Format" of SQLite, 1.6, b-tree pages.
    """
    data = bytearray(file.read_bytes())
    size = int.from_bytes(data[16:18], "big")
    for page in range(size, len(data), size):  # the first page begins with the header of the file
        cells, content = (int.from_bytes(data[page + at : page + at + 2], "big") for at in (3, 5))
        if data[page] == _LEAF_OF_TABLE and content - (8 + 2 * cells) >= len(SECRET):
            data[page + content - len(SECRET) : page + content] = SECRET
            file.write_bytes(data)
            return
    raise AssertionError("no page has unused space")


def test_copies_in_unused_parts_of_pages_are_purged(
    database: Database, housekeeper: Housekeeper, tmp_path: Path
) -> None:
    made, file = add_people(database, BATCH), tmp_path / "sima.db"
    database.close()
    write_into_unused_space(file)
    receipts = delete(database, list(made)[-1:])
    assert SECRET in file.read_bytes()
    assert housekeeper.run()
    assert are_complete(database, receipts) == {True}
    assert not [one.name for one in tmp_path.iterdir() if SECRET in one.read_bytes()]


def test_no_byte_of_deleted_people_is_found(
    database: Database, housekeeper: Housekeeper, tmp_path: Path
) -> None:
    made = add_people(database, PEOPLE)
    deleted = sorted(made)[:: PEOPLE // DELETED]
    receipts = delete(database, deleted)
    assert are_complete(database, receipts) == {False}
    assert housekeeper.run()
    assert are_complete(database, receipts) == {True}
    assert found(tmp_path, made, deleted) == {}
    kept = set(made) - set(deleted)
    assert found(tmp_path, made, list(kept)).keys() == kept
    with database.read() as session:
        assert get_collection(session, "people").size == len(kept)


def test_a_file_that_cannot_be_rewritten_leaves_receipts_incomplete(
    database: Database, housekeeper: Housekeeper, tmp_path: Path
) -> None:
    made = add_people(database, BATCH)
    receipts = delete(database, list(made)[:1])
    assert housekeeper.retry_seconds < housekeeper.seconds
    with database.write():  # prevents VACUUM, not the steps before it
        assert not housekeeper._complete(receipts)
    assert are_complete(database, receipts) == {False}
    assert housekeeper.run()
    assert are_complete(database, receipts) == {True}


def test_the_file_is_rewritten_only_after_deletions(
    database: Database, housekeeper: Housekeeper, tmp_path: Path
) -> None:
    made, file = add_people(database, BATCH), tmp_path / "sima.db"
    assert housekeeper.run()
    before = file.read_bytes()
    assert housekeeper.run()
    assert file.read_bytes() == before
    delete(database, list(made)[:1])
    assert housekeeper.run()
    assert file.read_bytes() != before
