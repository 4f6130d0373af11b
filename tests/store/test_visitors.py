"""Visitors belong to the space of their gallery and are deleted in every way that people are."""

from datetime import timedelta

import pytest

from app.errors_people import VisitorNotFound
from app.store.collections import get_collection, lock_with_shadow
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.erasures import delete_collection, delete_visitor
from app.store.shadow import cut_over, open_shadow, roll_back
from app.store.visitors import (
    add_visitor,
    delete_expired_visitors,
    find_visitors,
    get_visitor,
    list_visitors,
    open_visitors,
)
from app.vectors import EmbeddingSpace
from tests.store.galleries import WITHIN, add, find, index_sync, vector

OTHER = EmbeddingSpace("other", "sha256:other", 4)
LONG, OVER = timedelta(days=1), timedelta(days=-1)


def visit(database: Database, seed: int, lifetime: timedelta = LONG) -> str:
    """Adds a visitor to the gallery; returns the visitor id."""
    with database.write() as session:
        locked = lock_with_shadow(session, get_collection(session, "people").row_id)
        [gallery] = [one for one in locked if one.kind == GALLERY]
        inside = open_visitors(session, gallery)
        return add_visitor(session, inside, vector(seed), 0.9, lifetime)


def listed(database: Database) -> list[str]:
    with database.read() as session:
        gallery = get_collection(session, "people")
        return [one.visitor_id for one in list_visitors(session, gallery, 0, 10)]


def test_visitors_are_not_found_among_the_people(database: Database) -> None:
    person = add(database, 0)
    first, second = visit(database, 1), visit(database, 2)
    assert listed(database) == [first, second]
    assert find(database, index_sync(), 1) == ["P0"]
    with database.write() as session:
        gallery = get_collection(session, "people")
        assert (gallery.size, get_visitor(session, gallery, second).visitor_id) == (1, second)
        for unknown in ("nobody", person.person_id):
            with pytest.raises(VisitorNotFound):
                get_visitor(session, gallery, unknown)
        receipt = delete_visitor(session, gallery, get_visitor(session, gallery, first), WITHIN)
        assert (receipt.templates, receipt.collection) == (1, "people")
    assert listed(database) == [second]


def test_expired_visitors_are_deleted_with_their_templates(database: Database) -> None:
    visit(database, 1, OVER)
    kept = visit(database, 2)
    with database.write() as session:
        assert delete_expired_visitors(session) == 1
        assert delete_expired_visitors(session) == 0
    assert listed(database) == [kept]
    index = index_sync()
    with database.write() as session:
        visitors = find_visitors(session, get_collection(session, "people"))
        assert visitors is not None
        assert (visitors.size, index.size(session, visitors)) == (1, 1)
        receipt, deleted = delete_collection(session, "people", WITHIN)
        assert (receipt.templates, len(deleted)) == (1, 2)


def test_a_change_of_model_deletes_visitors(database: Database) -> None:
    add(database, 0)
    visit(database, 1)
    with database.write() as session:
        open_shadow(session, "people", OTHER)
        cut_over(session, "people")
    assert listed(database) == []
    again = visit(database, 2)
    assert listed(database) == [again]
    with database.write() as session:
        roll_back(session, "people")
    assert listed(database) == []
