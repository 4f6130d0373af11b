"""Locks, journal and transactions of collections, on SQLite and PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, text

from app.errors import CollectionExists
from app.store.collections import (
    create_collection,
    get_collection,
    list_collections,
    lock_collection,
)
from app.store.db.database import Database
from app.store.db.tables import GALLERY, JournalRow
from app.store.erasures import delete_person
from app.store.people import NewPerson, add_person
from app.store.templates import add_template
from tests.store.galleries import SPACE, WITHIN, add, find, index_sync, vector


def test_concurrent_writers_of_one_gallery_are_serialised(database: Database) -> None:
    """The journal has no gap, and every person is stored."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: add(database, seed), range(40)))
    with database.read() as session:
        gallery = get_collection(session, "people")
        revisions = list(session.scalars(select(JournalRow.revision).order_by(JournalRow.revision)))
    assert revisions == list(range(1, 41))
    assert (gallery.size, gallery.revision) == (40, 40)
    assert len(find(database, index_sync(), 1, k=100)) == 40


def test_lock_collection_returns_the_state_after_waiting(database: Database) -> None:
    """A writer that waited for the lock sees what the other writer stored, not its earlier read."""
    read_early, revisions = threading.Event(), []

    def waiting_writer() -> None:
        with database.write() as session:
            early = get_collection(session, "people")
            read_early.set()
            revisions.append(lock_collection(session, early).revision)

    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        thread = threading.Thread(target=waiting_writer)
        thread.start()
        read_early.wait(1.0)  # SQLite's second writer waits even before it reads
        person = add_person(session, gallery, NewPerson("P", None, {}))
        add_template(session, gallery, person, vector(1), 0.9)
    thread.join()
    assert revisions == [1]


def test_a_failed_write_stores_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        add_person(session, gallery, NewPerson("half", None, {}))
        raise RuntimeError("the process fails here")
    assert find(database, index_sync(), 1) == []
    with database.read() as session:
        assert get_collection(session, "people").size == 0


def test_journal_revisions_have_no_gaps(database: Database) -> None:
    person = add(database, 1)
    add(database, 2)
    with database.write() as session:
        delete_person(session, person.person_id, WITHIN)
    with database.read() as session:
        gallery = get_collection(session, "people")
        rows = session.execute(
            select(JournalRow.revision, JournalRow.op).order_by(JournalRow.revision)
        ).all()
    assert [tuple(row) for row in rows] == [(1, "upsert"), (2, "upsert"), (3, "remove")]
    assert (gallery.revision, gallery.size) == (3, 1)


def test_collection_names_are_unique(database: Database) -> None:
    with pytest.raises(CollectionExists), database.write() as session:
        create_collection(session, "people", GALLERY, SPACE)
    with database.read() as session:
        assert [c.name for c in list_collections(session)] == ["people"]


def test_sqlite_is_in_wal_mode_and_syncs(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    with database.read() as session:
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA synchronous")) == 2
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
