"""Learned maps between spaces, by name. Every function works inside the caller's session."""

from dataclasses import asdict, dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import ProjectionExists, ProjectionNotFound
from app.store.db.tables import ProjectionRow

_STORED = np.dtype("<f8")
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ProjectionDetails:
    """How it was found. `source` is `faces`, or a space of texts by its name; `area` is the mean
    ROC area of held-out classes, None if not measured."""

    source: str
    seen: tuple[str, ...]
    examples: int
    gamma: float
    lam: float
    area: float | None
    penalty: float


@dataclass(frozen=True, slots=True)
class StoredProjection:
    """A map (d, a) with the centre of its inputs (d,) and the covariance of its outputs (a, a)."""

    name: str
    source_digest: str
    vocabulary: str
    vocabulary_digest: str
    details: ProjectionDetails
    matrix: Floats
    centre: Floats
    covariance: Floats
    created_at: datetime | None = None


def add_projection(session: Session, new: StoredProjection) -> StoredProjection:
    """Stores a projection. Raises ProjectionExists."""
    parts = (new.matrix, new.centre, new.covariance)
    row = ProjectionRow(
        name=new.name,
        source_digest=new.source_digest,
        source_dimension=new.matrix.shape[0],
        vocabulary=new.vocabulary,
        vocabulary_digest=new.vocabulary_digest,
        vocabulary_dimension=new.matrix.shape[1],
        details=asdict(new.details),
        matrices=b"".join(np.ascontiguousarray(part, dtype=_STORED).tobytes() for part in parts),
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise ProjectionExists(f"a projection named {new.name!r} exists already") from error
    return _stored(row)


def get_projection(session: Session, name: str) -> StoredProjection:
    """Returns a projection. Raises ProjectionNotFound."""
    row = session.scalar(select(ProjectionRow).where(ProjectionRow.name == name))
    if row is None:
        raise ProjectionNotFound(f"there is no projection named {name!r}")
    return _stored(row)


def list_projections(session: Session) -> list[StoredProjection]:
    """Returns all projections, by name."""
    return [_stored(row) for row in session.scalars(select(ProjectionRow).order_by("name"))]


def delete_projection(session: Session, name: str) -> None:
    """Deletes a projection. Raises ProjectionNotFound."""
    deleted = session.execute(
        delete(ProjectionRow).where(ProjectionRow.name == name).returning(ProjectionRow.row_id)
    )
    if not deleted.all():
        raise ProjectionNotFound(f"there is no projection named {name!r}")


def _stored(row: ProjectionRow) -> StoredProjection:
    d, a = row.source_dimension, row.vocabulary_dimension
    flat = np.frombuffer(row.matrices, dtype=_STORED).astype(np.float64)
    matrix, centre, covariance = np.split(flat, [d * a, d * a + d])
    details = {**row.details, "seen": tuple(row.details["seen"])}
    return StoredProjection(
        row.name,
        row.source_digest,
        row.vocabulary,
        row.vocabulary_digest,
        ProjectionDetails(**details),
        matrix.reshape(d, a),
        centre,
        covariance.reshape(a, a),
        row.created_at,
    )
