"""The audit log: one chain for concurrent writers, manipulations by SQL, and pruning."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import text

from app.audit_events import AuditEvent
from app.errors import InvalidRequest, NotReady, Overloaded
from app.errors_access import AuditLogDamaged
from app.store.audit_log import AuditFilter, AuditLog, Link, prune_expired
from app.store.audit_queue import AuditQueue
from app.store.collections import create_collection
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from tests.store.galleries import SPACE

WRITERS, EVENTS = 6, 15
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def audited(database: Database) -> Database:
    """A migrated database that is audited."""
    database.audited = True
    return database


@pytest.fixture
def filled(audited: Database) -> Database:
    """Five events, one a day from START on."""
    for day in range(5):
        with time_machine.travel(START + timedelta(days=day), tick=False):
            audited.record(AuditEvent("person.delete", "deleted", "people", f"p{day + 1}"))
    return audited


def change(database: Database, *statements: str) -> None:
    """Changes the database as its administrator could."""
    with database.write() as session:
        for statement in statements:
            session.execute(text(statement))


def damage(database: Database, noted: Link | None = None) -> str:
    with pytest.raises(AuditLogDamaged) as caught:
        AuditLog(database).verify(noted)
    return str(caught.value)


def sequences(database: Database) -> list[int]:
    return [entry.sequence for entry in AuditLog(database).entries(AuditFilter())]


def test_concurrent_writers_append_to_one_chain(audited: Database) -> None:
    together = threading.Barrier(WRITERS)

    def write(writer: int) -> None:
        together.wait()
        for number in range(EVENTS):
            with audited.write() as session:
                create_collection(session, f"g-{writer}-{number}", GALLERY, SPACE)
                record(session, AuditEvent("collection.create", "created", f"g-{writer}-{number}"))

    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(write, writer) for writer in range(WRITERS)]:
            done.result()
    assert AuditLog(audited).verify().head.sequence == WRITERS * EVENTS
    found = [entry.collection for entry in AuditLog(audited).entries(AuditFilter())]
    assert len(set(found)) == WRITERS * EVENTS
    for writer in range(WRITERS):  # in the order of the commits
        own = [name for name in found if name and name.startswith(f"g-{writer}-")]
        assert own == [f"g-{writer}-{number}" for number in range(EVENTS)]


def test_a_write_that_fails_leaves_no_event(audited: Database) -> None:
    with pytest.raises(RuntimeError), audited.write() as session:
        record(session, AuditEvent("person.delete", "deleted"))
        raise RuntimeError
    assert sequences(audited) == []
    assert AuditLog(audited).verify().head.sequence == 0


@pytest.mark.parametrize(
    "assignment",
    [
        "decision = 'match'",
        "person_id = 'p9'",
        "collection = NULL",
        "key_id = 'cli2'",
        "address = '::1'",
        "request_id = 'r'",
        "hash = 'f'",
    ],
)
def test_a_changed_event_is_found(filled: Database, assignment: str) -> None:
    change(filled, f"UPDATE audit_log SET {assignment} WHERE sequence = 3")  # noqa: S608 - constants
    assert damage(filled).startswith("event 3 was changed, or the one before it")


def test_a_changed_time_is_found(filled: Database) -> None:
    change(filled, "UPDATE audit_log SET time = '2026-01-03 00:00:00.000001' WHERE sequence = 3")
    assert damage(filled).startswith("event 3 was changed")
    if filled.is_sqlite:
        change(filled, "UPDATE audit_log SET time = 'never' WHERE sequence = 3")
        assert damage(filled).startswith("event 3 was changed: its time is invalid")


@pytest.mark.parametrize("first", [1, 3])
def test_a_removed_event_is_found(filled: Database, first: int) -> None:
    change(filled, f"DELETE FROM audit_log WHERE sequence = {first}")  # noqa: S608 - constants
    assert damage(filled).startswith(f"event {first} was removed")


def test_renumbering_does_not_hide_a_removed_event(filled: Database) -> None:
    change(
        filled,
        "DELETE FROM audit_log WHERE sequence = 3",
        "UPDATE audit_log SET sequence = 3 WHERE sequence = 4",
        "UPDATE audit_log SET sequence = 4 WHERE sequence = 5",
        "UPDATE audit_chain SET sequence = 4",
    )
    assert damage(filled).startswith("event 3 was changed, or the one before it")


def test_removed_last_events_are_found(filled: Database) -> None:
    change(filled, "DELETE FROM audit_log WHERE sequence > 3")
    assert damage(filled).startswith("event 4 and all later events were removed")


def test_a_noted_head_shows_what_the_log_alone_cannot(filled: Database) -> None:
    """Whoever removes the last events can also move the end of the chain."""
    noted = AuditLog(filled).chain().head
    assert AuditLog(filled).verify(Link.parse(str(noted))).head == noted
    change(
        filled,
        "DELETE FROM audit_log WHERE sequence > 3",
        "UPDATE audit_chain SET sequence = 3, "
        "hash = (SELECT hash FROM audit_log WHERE sequence = 3)",
    )
    AuditLog(filled).verify()
    assert damage(filled, noted).startswith("event 4 and all later events were removed")
    for _ in range(3):
        filled.record(AuditEvent("identify", "unknown", "people"))
    assert damage(filled, noted).startswith("event 5 is not the one whose hash was noted")


def test_without_the_end_of_the_chain_nothing_is_written(filled: Database) -> None:
    change(filled, "DELETE FROM audit_chain")
    assert "the row of audit_chain was deleted" in damage(filled)
    with pytest.raises(NotReady, match="audit_chain"):
        filled.record(AuditEvent("identify", "unknown", "people"))


def test_a_pruned_log_can_be_verified(filled: Database) -> None:
    log = AuditLog(filled)
    early = log.chain().head
    assert log.prune(START + timedelta(days=3)) == 3
    chain = log.verify(early)
    assert (chain.pruned.sequence, chain.head.sequence) == (3, 6)
    assert [entry.action for entry in log.entries(AuditFilter())][-1] == "audit.prune"
    change(filled, "DELETE FROM audit_log WHERE sequence = 4")
    assert damage(filled).startswith("event 4 was removed")
    with pytest.raises(InvalidRequest, match="event 1 was pruned"):
        log.verify(Link(1, "0" * 64))


def test_a_damaged_log_is_pruned_only_by_force(filled: Database) -> None:
    change(filled, "UPDATE audit_log SET decision = 'match' WHERE sequence = 2")
    before = START + timedelta(days=3)
    with pytest.raises(AuditLogDamaged, match="event 2 was changed"):
        AuditLog(filled).prune(before)
    assert sequences(filled) == [1, 2, 3, 4, 5]
    assert AuditLog(filled).prune(before, checked=False) == 3
    assert AuditLog(filled).verify().head.sequence == 6


def test_expired_events_are_pruned_once_a_day(filled: Database) -> None:
    with time_machine.travel(START + timedelta(days=11, hours=1), tick=False):
        prune_expired(filled, timedelta(days=10))
        assert sequences(filled) == [3, 4, 5, 6]
        prune_expired(filled, timedelta(days=10))
        assert sequences(filled) == [3, 4, 5, 6]


def test_events_are_filtered(filled: Database) -> None:
    filled.record(AuditEvent("identify", "unknown", "lobby"))

    def read(wanted: AuditFilter) -> list[int]:
        return [entry.sequence for entry in AuditLog(filled).entries(wanted)]

    second, fourth = START + timedelta(days=1), START + timedelta(days=3)
    assert read(AuditFilter(since=second, until=fourth)) == [2, 3]
    assert read(AuditFilter(collection="lobby")) == [6]
    assert read(AuditFilter(action="person.delete", since=fourth)) == [4, 5]


def test_queued_events_wait_for_a_locked_database(audited: Database) -> None:
    """Decisions only read, so they do not depend on the lock of a writer."""
    queue = AuditQueue(audited, most_waiting=3)
    event = AuditEvent("identify", "match", "people", "p1")
    with audited.write() as session:
        session.execute(text("UPDATE audit_chain SET sequence = sequence"))
        stored = [queue.put([event]) for _ in range(3)]
        assert not any(one.done() for one in stored)
        with pytest.raises(Overloaded, match="the audit log cannot be written"):
            queue.put([event])
    for one in stored:
        one.result(timeout=30)
    queue.close()
    assert AuditLog(audited).verify().head.sequence == 3


def test_a_queue_that_is_closed_has_written_its_events(audited: Database) -> None:
    queue = AuditQueue(audited)
    for _ in range(20):
        queue.put([AuditEvent("identify", "unknown", "people")])
    queue.close()
    assert sequences(audited) == list(range(1, 21))


def test_a_database_without_audit_log_records_nothing(database: Database) -> None:
    database.record(AuditEvent("identify", "unknown"))
    queue = AuditQueue(database)
    put: Callable[[], object] = queue.put([AuditEvent("identify", "unknown")]).result
    assert put() is None
    assert sequences(database) == []
