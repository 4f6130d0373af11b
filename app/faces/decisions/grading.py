"""Grades a compared pair: how far beyond its threshold it is, in target error rates."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policy import Judgement, Limit
from app.faces.decisions.rules import DecisionRules
from app.vectors import SCORE_TOLERANCE, Matrix, Vector

_STRICTER = (10.0, 100.0)
"""The target rates of the stricter thresholds are so many times lower."""
_FIXED_SHARES = (0.75, 0.95)
"""Without a target rate they are these shares of the way from the threshold to 1."""


@dataclass(frozen=True, slots=True)
class GradedJudgement:
    """A judgement, and the thresholds of the same pair at a tenth and a hundredth of the target
    error rate, as `strict` and `strictest`; both are at least `judgement.threshold`."""

    judgement: Judgement
    strict: float
    strictest: float

    @property
    def margin(self) -> float:
        """How far the similarity is above the threshold of the pair."""
        return self.judgement.similarity - self.judgement.threshold


class Grader:
    """Grades 1:1 comparisons, or with `gallery_size` those of a search of so many people."""

    def __init__(self, rules: DecisionRules, gallery_size: int | None = None) -> None:
        self._policy, options = rules.policy, DecisionOptions()
        self._size = gallery_size
        if gallery_size is None:
            self._limit = rules.verify_limit(options)
        else:
            self._limit = rules.identify_limit(options, gallery_size)
        self._strict, self._strictest = self._stricter()

    def grade(self, probe: Vector, vectors: Matrix) -> list[GradedJudgement]:
        """Grades a unit vector, shape (dimension,), with each of several, shape (n, dimension)."""
        if not len(vectors):
            return []
        own, *others = self._policy.corrections(np.vstack([probe[None], vectors])).tolist()
        return [
            self.grade_pair(similarity, own + other)
            for similarity, other in zip((vectors @ probe).tolist(), others, strict=True)
        ]

    def grade_best(
        self, probe: Vector, templates: Matrix, rejected: Matrix | None = None
    ) -> GradedJudgement | None:
        """Grades a unit vector with the best of a person's templates; None if there is none.

        `rejected` are faces that are known not to be the person, shape (m, dimension). A match must
        have a higher score than with any of them (ADR 20), which raises the thresholds. Without
        templates, a face that matches one of them is graded as one that is not similar at all.
        """
        best = best_of(self.grade(probe, templates))
        other = best_of(self.grade(probe, rejected)) if rejected is not None else None
        if other is None:
            return best
        if best is None:
            return self.grade_pair(-1.0, 0.0) if other.judgement.matches else None
        needed = best.judgement.similarity + other.margin - best.margin + SCORE_TOLERANCE
        judgement = replace(best.judgement, threshold=max(best.judgement.threshold, needed))
        return GradedJudgement(judgement, max(best.strict, needed), max(best.strictest, needed))

    def grade_pair(self, similarity: float, correction: float) -> GradedJudgement:
        """Grades a pair; `correction` is the sum of both faces' corrections."""
        judged = self._policy.judge(similarity, correction, self._limit)
        strict = self._policy.pair_threshold(correction, self._strict)
        strictest = self._policy.pair_threshold(correction, self._strictest)
        return GradedJudgement(judged, strict, max(strict, strictest))

    def _stricter(self) -> Sequence[Limit]:
        limit = self._limit
        if limit.target is None:
            way = 1.0 - limit.threshold
            return [Limit(limit.threshold + share * way, fixed=True) for share in _FIXED_SHARES]
        rates = [limit.target / factor for factor in _STRICTER]
        if self._size is None:
            return [self._policy.for_fmr(rate) for rate in rates]
        return [self._policy.for_fpir(rate, self._size) for rate in rates]


def best_of(graded: Sequence[GradedJudgement]) -> GradedJudgement | None:
    """The one that is furthest above its threshold, None if there is none."""
    if not graded:
        return None
    return max(graded, key=lambda one: one.margin)
