"""Comparison of an index with the database, and rebuilding it."""

from sqlalchemy import select

from app.store.collections import (
    get_collection,
)
from app.store.db.database import Database
from app.store.db.tables import TemplateRow
from app.store.index_check import IndexCheck
from tests.store.galleries import add, index_sync, vector


def test_compare_counts_missing_extra_and_changed_templates(database: Database) -> None:
    """Each of the three differences occurs once; a rebuild removes them."""
    check = IndexCheck(database, index_sync())
    people = [add(database, seed) for seed in range(3)]
    with database.read() as session:
        gallery = get_collection(session, "people")
    equal = check.compare(gallery)
    assert (equal.equal, equal.stored, equal.indexed, equal.behind) == (True, 3, 3, 3)
    with database.write() as session:  # without journal rows
        [first, second, _] = session.scalars(select(TemplateRow).order_by(TemplateRow.row_id))
        first.vector = (-vector(0)).astype("<f4").tobytes()
        session.delete(second)
        copy = {"entry_id": people[2].row_id, "collection_id": gallery.row_id}
        session.add(TemplateRow(**copy, public_id="x", vector=vector(9).astype("<f4").tobytes()))
    found = check.compare(gallery)
    assert (found.missing, found.extra, found.changed, found.behind) == (1, 1, 1, 0)
    assert not found.equal
    assert check.rebuild(gallery) == 3
    assert check.compare(gallery).equal
