"""What speaks for a label: a text beside it, or a face through a projection."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from app.texts.space import TokenVectors
from app.vectors import Vector
from app.zero_shot.fitting import Projection
from app.zero_shot.labels import ReadyLabels
from app.zero_shot.matching import Scores, standard_fit


class Evidence(Protocol):
    """Scores any labels; 0 is what chance gives, the unit is chance's standard deviation."""

    def of(self, labels: ReadyLabels) -> Scores: ...


@dataclass(frozen=True, slots=True)
class BagEvidence:
    """A text, a word or a vector of the labels' own space."""

    bag: TokenVectors

    def of(self, labels: ReadyLabels) -> Scores:
        """Fit with each label's best alternative."""
        return labels.best_of(standard_fit(self.bag, labels.vectors))


@dataclass(frozen=True, slots=True)
class ProjectedEvidence:
    """A vector of another space, through a learned map."""

    projection: Projection
    vector: Vector

    def of(self, labels: ReadyLabels) -> Scores:
        """ESZSL's scores, over their spread on the examples."""
        means = labels.vectors.means.astype(np.float64)
        scores = self.projection.standard_scores(self.vector.astype(np.float64), means)
        return labels.best_of(scores)
