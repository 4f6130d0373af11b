"""Decision options and calibration tables of galleries. Every function uses the caller's session.

A calibration table belongs to the embedding space of its collection. `cut_over` swaps collections
and not their tables, so a gallery never uses the table of another space.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.store.collections import Collection, collection_by_id
from app.store.db.tables import CalibrationRow, CollectionRow

_OF_SPACE = {"threshold"}  # options whose value is meaningful in one embedding space only


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """A calibration table as stored; it never changes under its id."""

    row_id: int
    content: Mapping[str, Any]
    created_at: datetime


def set_calibration(
    session: Session, collection: Collection, content: Mapping[str, Any]
) -> Collection:
    """Replaces the calibration table of a locked gallery; returns the gallery."""
    _delete_calibrations(session, collection)
    row = CalibrationRow(collection_id=collection.row_id, content=dict(content))
    session.add(row)
    session.flush()
    return _point_to(session, collection, row.row_id)


def clear_calibration(session: Session, collection: Collection) -> Collection:
    """Deletes the calibration table of a locked gallery, if any; returns the gallery."""
    _delete_calibrations(session, collection)
    return _point_to(session, collection, None)


def read_calibration(session: Session, row_id: int) -> StoredCalibration:
    """Returns the calibration table that a collection of this snapshot refers to."""
    row = session.scalars(select(CalibrationRow).where(CalibrationRow.row_id == row_id)).one()
    return StoredCalibration(row.row_id, row.content, row.created_at)


def change_options(
    session: Session, collection: Collection, changes: Mapping[str, Any]
) -> Collection:
    """Sets options of a locked gallery, or deletes those whose value is None; returns it."""
    merged = {**collection.options, **changes}
    options = {name: value for name, value in merged.items() if value is not None}
    row = update(CollectionRow).where(CollectionRow.row_id == collection.row_id)
    session.execute(row.values(options=options))
    return collection_by_id(session, collection.row_id)


def options_after_swap(
    gallery: Mapping[str, Any], replacement: Mapping[str, Any]
) -> dict[str, Any]:
    """The options of the collection that replaces a gallery in a model change.

    Options follow the gallery, except those that belong to an embedding space.
    """
    kept = {name: value for name, value in gallery.items() if name not in _OF_SPACE}
    own = {name: value for name, value in replacement.items() if name in _OF_SPACE}
    return kept | own


def _delete_calibrations(session: Session, collection: Collection) -> None:
    session.execute(delete(CalibrationRow).where(CalibrationRow.collection_id == collection.row_id))


def _point_to(session: Session, collection: Collection, row_id: int | None) -> Collection:
    row = update(CollectionRow).where(CollectionRow.row_id == collection.row_id)
    session.execute(row.values(calibration_id=row_id))
    return collection_by_id(session, collection.row_id)
