"""The service for stored projections: fit, list, read, delete, and check before use."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.audit_events import AuditEvent
from app.errors import InvalidRequest, SpaceMismatch
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.projections import (
    ProjectionDetails,
    StoredProjection,
    add_projection,
    delete_projection,
    get_projection,
    list_projections,
)
from app.texts.space import Label, TextSpace
from app.vectors import EmbeddingSpace, Vector
from app.zero_shot.fitting import Projection, fit_projection
from app.zero_shot.labels import LabelEmbedder


@dataclass(frozen=True, slots=True)
class Example:
    """A unit vector of the source space, and its attributes."""

    vector: Vector
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewProjection:
    """A projection to be fitted from `source`, which is `faces` or the name of a text space.

    `regularisers` are gamma and lambda of ESZSL; None to choose them by holding out classes.
    """

    name: str
    source: str
    vocabulary: str
    regularisers: tuple[float, float] | None = None


class ProjectionService:
    """Fits and stores projections."""

    def __init__(self, database: Database, labels: LabelEmbedder) -> None:
        self._database, self._labels = database, labels

    def fit(
        self,
        new: NewProjection,
        source: EmbeddingSpace,
        target: TextSpace,
        examples: Sequence[Example],
    ) -> StoredProjection:
        """Fit ESZSL from examples in `source` to the attribute words in `target`, and store it.

        Raises ProjectionExists, InvalidRequest for examples that nothing can be learned from.
        """
        seen = list(dict.fromkeys(word for example in examples for word in example.attributes))
        if not seen:
            raise InvalidRequest("examples", "no example has an attribute; at least two need one")
        labels = self._labels.embed(target, [Label(word) for word in seen])
        fitted = fit_projection(
            np.stack([example.vector for example in examples]),
            [example.attributes for example in examples],
            seen,
            labels.vectors.means[labels.first_rows()],
            new.regularisers,
        )
        area = fitted.regularisers.area
        details = ProjectionDetails(
            new.source,
            tuple(seen),
            len(examples),
            fitted.regularisers.gamma,
            fitted.regularisers.lam,
            None if np.isnan(area) else area,
            fitted.penalty,
        )
        stored = StoredProjection(
            new.name,
            source.digest,
            new.vocabulary,
            target.space.digest,
            details,
            fitted.projection.matrix,
            fitted.projection.centre,
            fitted.projection.covariance,
        )
        with self._database.write() as session:
            record(session, AuditEvent("projection.create", "created"))
            return add_projection(session, stored)

    def get(self, name: str) -> StoredProjection:
        """The projection of this name. Raises ProjectionNotFound."""
        with self._database.read() as session:
            return get_projection(session, name)

    def list_all(self) -> list[StoredProjection]:
        """All projections, ordered by name."""
        with self._database.read() as session:
            return list_projections(session)

    def delete(self, name: str) -> None:
        """Delete a projection. Raises ProjectionNotFound."""
        with self._database.write() as session:
            delete_projection(session, name)
            record(session, AuditEvent("projection.delete", "deleted"))


def load_projection(
    stored: StoredProjection, source: EmbeddingSpace, target: EmbeddingSpace
) -> Projection:
    """The map of a stored projection. Raises SpaceMismatch for other spaces than its own."""
    if stored.source_digest != source.digest:
        raise SpaceMismatch(
            f"the projection {stored.name!r} was fitted for another model than {source.name}; "
            "fit it again"
        )
    if stored.vocabulary_digest != target.digest:
        raise SpaceMismatch(
            f"the vocabulary {stored.vocabulary!r} has been replaced since the projection "
            f"{stored.name!r} was fitted; fit it again"
        )
    return Projection(stored.matrix, stored.centre, stored.covariance)
