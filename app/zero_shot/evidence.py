"""Evidence for labels: from a text in their own space, or from a vector through a projection."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.texts.space import TokenVectors
from app.vectors import Vector
from app.zero_shot.fitting import Projection
from app.zero_shot.labels import EmbeddedLabels
from app.zero_shot.matching import Scores, standardised_fit


class Evidence(Protocol):
    """Scores labels in standard deviations above the score of an unrelated input."""

    def scores(self, labels: EmbeddedLabels) -> Scores: ...


@dataclass(frozen=True, slots=True)
class TextEvidence:
    """A text, a word or a vector in the space of the labels."""

    text: TokenVectors

    def scores(self, labels: EmbeddedLabels) -> Scores:
        """The standardised fit of each label's best alternative, shape (labels,)."""
        return labels.best_alternatives(standardised_fit(self.text, labels.vectors))


@dataclass(frozen=True, slots=True)
class ProjectedEvidence:
    """A vector of another space, shape (d,), through a learned projection."""

    projection: Projection
    vector: Vector

    def scores(self, labels: EmbeddedLabels) -> Scores:
        """ESZSL scores over their standard deviation on the examples, shape (labels,)."""
        means = labels.vectors.means.astype(np.float64)
        scores = self.projection.standardised_scores(self.vector.astype(np.float64), means)
        return labels.best_alternatives(scores)
