"""Decision options and calibration tables of galleries in the store, on SQLite and PostgreSQL."""

from sqlalchemy import select

from app.store.calibrations import (
    change_options,
    clear_calibration,
    read_calibration,
    set_calibration,
)
from app.store.collections import delete_collection, get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.tables import CalibrationRow
from app.store.shadow import cut_over, delete_shadow, open_shadow, roll_back
from app.vectors import EmbeddingSpace

OTHER = EmbeddingSpace("other", "sha256:other", 6)


def store(database: Database, content: dict[str, object]) -> int:
    """Stores a table with the gallery `people`; returns its row_id."""
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        changed = set_calibration(session, gallery, content)
    assert changed.calibration_id is not None
    return changed.calibration_id


def test_a_table_is_stored_replaced_and_cleared(database: Database) -> None:
    first = store(database, {"knots": [0.1, 0.2]})
    with database.read() as session:
        found = read_calibration(session, first)
        assert (found.content, found.created_at.tzinfo is not None) == ({"knots": [0.1, 0.2]}, True)
    second = store(database, {"knots": []})
    assert second != first
    with database.write() as session:
        assert list(session.scalars(select(CalibrationRow.row_id))) == [second]
        gallery = lock_collection(session, get_collection(session, "people"))
        assert clear_calibration(session, gallery).calibration_id is None
        assert list(session.scalars(select(CalibrationRow))) == []
    assert store(database, {}) not in (first, second)


def test_deleting_the_gallery_deletes_its_table(database: Database) -> None:
    store(database, {})
    with database.write() as session:
        delete_collection(session, get_collection(session, "people"))
    with database.read() as session:
        assert list(session.scalars(select(CalibrationRow))) == []


def test_options_are_merged_and_deleted(database: Database) -> None:
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        gallery = change_options(session, gallery, {"target_fmr": 0.1, "threshold": 0.4})
        gallery = change_options(session, gallery, {"target_fmr": None, "target_fpir": 0.2})
    with database.read() as session:
        assert get_collection(session, "people").options == {"threshold": 0.4, "target_fpir": 0.2}


def test_a_table_stays_with_its_space_and_rates_with_the_gallery(database: Database) -> None:
    """After a cut-over neither the table nor the fixed cosine of the previous space applies."""
    row_id = store(database, {})
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        change_options(session, gallery, {"target_fmr": 0.1, "threshold": 0.4})
        open_shadow(session, "people", OTHER)
        new, _ = cut_over(session, "people")
        assert (new.space, new.calibration_id) == (OTHER, None)
        assert new.options == {"target_fmr": 0.1}
        change_options(session, new, {"target_fmr": 0.2, "threshold": 0.6})
        old, _ = roll_back(session, "people")
        assert (old.calibration_id, old.options) == (row_id, {"target_fmr": 0.2, "threshold": 0.4})
        cut_over(session, "people")
        delete_shadow(session, "people")
    with database.read() as session:
        assert list(session.scalars(select(CalibrationRow))) == []
