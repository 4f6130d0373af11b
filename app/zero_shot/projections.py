"""Projections: learned from examples, kept in the store, used on faces that nobody labelled."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.errors import InvalidRequest, SpaceMismatch
from app.store.db.database import Database
from app.store.projections import (
    ProjectionDetails,
    StoredProjection,
    add_projection,
    delete_projection,
    get_projection,
    list_projections,
)
from app.texts.space import Label, TextSpaces
from app.vectors import EmbeddingSpace, Vector
from app.zero_shot.fitting import Projection, fit_projection
from app.zero_shot.labels import LabelCache


@dataclass(frozen=True, slots=True)
class Example:
    """A unit vector of the source space, and the attributes that hold for it."""

    vector: Vector
    attributes: tuple[str, ...]


class Projections:
    """Learns, keeps, lists and forgets."""

    def __init__(self, database: Database, spaces: TextSpaces) -> None:
        self._database, self._spaces = database, spaces
        self._labels = LabelCache()

    def learn(
        self,
        name: str,
        source: str,
        source_space: EmbeddingSpace,
        vocabulary: str,
        examples: Sequence[Example],
        regularisers: tuple[float, float] | None = None,
    ) -> StoredProjection:
        """ESZSL from the examples to the words of their attributes.

        Raises ProjectionExists, VocabularyNotFound, InvalidRequest.
        """
        space = self._spaces.open(vocabulary)
        seen = list(dict.fromkeys(word for example in examples for word in example.attributes))
        if not seen:
            raise InvalidRequest("examples", "none of them has an attribute")
        ready = self._labels.ready(space, [Label(word) for word in seen])
        starts = np.flatnonzero(np.diff(ready.owners, prepend=-1))
        fitted = fit_projection(
            np.stack([example.vector for example in examples]),
            [example.attributes for example in examples],
            seen,
            ready.vectors.means[starts],
            regularisers,
        )
        choice, area = fitted.choice, fitted.choice.area
        made = StoredProjection(
            name,
            source_space.digest,
            vocabulary,
            space.space.digest,
            ProjectionDetails(
                source,
                tuple(seen),
                len(examples),
                choice.gamma,
                choice.lam,
                None if np.isnan(area) else area,
                fitted.penalty,
            ),
            fitted.projection.matrix,
            fitted.projection.centre,
            fitted.projection.covariance,
        )
        with self._database.write() as session:
            return add_projection(session, made)

    def get(self, name: str) -> StoredProjection:
        """Raises ProjectionNotFound."""
        with self._database.read() as session:
            return get_projection(session, name)

    def all(self) -> list[StoredProjection]:
        """By name."""
        with self._database.read() as session:
            return list_projections(session)

    def remove(self, name: str) -> None:
        """Raises ProjectionNotFound."""
        with self._database.write() as session:
            delete_projection(session, name)

    def usable(self, name: str, source: EmbeddingSpace) -> tuple[StoredProjection, Projection]:
        """A projection for vectors of `source`. Raises ProjectionNotFound, SpaceMismatch where
        the model or the vocabulary is another one by now."""
        found = self.get(name)
        if found.source_digest != source.digest:
            raise SpaceMismatch(f"projection {name!r} was learned from another model's vectors")
        if self._spaces.open(found.vocabulary).space.digest != found.vocabulary_digest:
            raise SpaceMismatch(f"the vocabulary {found.vocabulary!r} is not what {name!r} knew")
        return found, Projection(found.matrix, found.centre, found.covariance)
