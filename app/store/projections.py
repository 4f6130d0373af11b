"""Reads and writes stored projections. Every function works inside the caller's session."""

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
    """How a projection was fitted.

    `source` is `faces` or the name of a text space, `seen` are the classes of the examples,
    `gamma` and `lam` the regularisers, `area` the mean ROC area of held-out classes (None if not
    measured), and `penalty` the suggested penalty of seen classes, in standard deviations.
    """

    source: str
    seen: tuple[str, ...]
    examples: int
    gamma: float
    lam: float
    area: float | None
    penalty: float


@dataclass(frozen=True, slots=True)
class StoredProjection:
    """A linear map (d, a), the mean of its inputs (d,) and the second moment of its outputs (a, a).

    The digests identify the embedding spaces of the inputs and of the vocabulary.
    """

    name: str
    source_digest: str
    vocabulary: str
    vocabulary_digest: str
    details: ProjectionDetails
    matrix: Floats
    centre: Floats
    covariance: Floats
    created_at: datetime | None = None


def add_projection(session: Session, projection: StoredProjection) -> StoredProjection:
    """Store a new projection; returns it with its creation time. Raises ProjectionExists."""
    parts = (projection.matrix, projection.centre, projection.covariance)
    row = ProjectionRow(
        name=projection.name,
        source_digest=projection.source_digest,
        source_dimension=projection.matrix.shape[0],
        vocabulary=projection.vocabulary,
        vocabulary_digest=projection.vocabulary_digest,
        vocabulary_dimension=projection.matrix.shape[1],
        details=asdict(projection.details),
        matrices=b"".join(np.ascontiguousarray(part, dtype=_STORED).tobytes() for part in parts),
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        raise ProjectionExists(f"a projection named {projection.name!r} already exists") from error
    return _to_projection(row)


def get_projection(session: Session, name: str) -> StoredProjection:
    """The projection of this name. Raises ProjectionNotFound."""
    row = session.scalar(select(ProjectionRow).where(ProjectionRow.name == name))
    if row is None:
        raise ProjectionNotFound(f"there is no projection named {name!r}")
    return _to_projection(row)


def list_projections(session: Session) -> list[StoredProjection]:
    """All projections, ordered by name."""
    return [_to_projection(row) for row in session.scalars(select(ProjectionRow).order_by("name"))]


def delete_projection(session: Session, name: str) -> None:
    """Delete a projection. Raises ProjectionNotFound."""
    deleted = session.execute(
        delete(ProjectionRow).where(ProjectionRow.name == name).returning(ProjectionRow.row_id)
    )
    if not deleted.all():
        raise ProjectionNotFound(f"there is no projection named {name!r}")


def _to_projection(row: ProjectionRow) -> StoredProjection:
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
