"""Grades a compared pair: how far beyond its threshold it is, in target error rates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

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


class _Limits(NamedTuple):
    """The limit of a comparison, and those at a tenth and a hundredth of its target rate."""

    limit: Limit
    strict: Limit
    strictest: Limit


class Grader:
    """Grades 1:1 comparisons, or with `gallery_size` those of a search of so many people."""

    def __init__(self, rules: DecisionRules, gallery_size: int | None = None) -> None:
        self._policy, options = rules.policy, DecisionOptions()
        policy = rules.policy
        if gallery_size is None:
            self._limits = _limits(rules.verify_limit(options), policy.for_fmr)
            self._relative = self._limits
        else:
            size = gallery_size
            self._limits = _limits(
                rules.identify_limit(options, size), lambda rate: policy.for_fpir(rate, size)
            )
            self._relative = _limits(
                rules.search_limit(options, size), lambda rate: policy.for_search(rate, size)
            )

    def grade(
        self, probe: Vector, vectors: Matrix, resemblance: float | None = None
    ) -> list[GradedJudgement]:
        """Grades a unit vector, shape (dimension,), with each of several, shape (n, dimension).

        `resemblance` is that of a `Candidate`, for a search relative to the gallery.
        """
        if not len(vectors):
            return []
        own, *others = self._policy.corrections(np.vstack([probe[None], vectors])).tolist()
        return [
            self._grade_pair(similarity, own + other, resemblance)
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
            return self._grade_pair(-1.0, 0.0) if other.judgement.matches else None
        needed = best.judgement.similarity + other.margin - best.margin + SCORE_TOLERANCE
        judgement = replace(best.judgement, threshold=max(best.judgement.threshold, needed))
        return GradedJudgement(judgement, max(best.strict, needed), max(best.strictest, needed))

    def _grade_pair(
        self, similarity: float, correction: float, resemblance: float | None = None
    ) -> GradedJudgement:
        """Grades a pair; `correction` is the sum of both faces' corrections."""
        limits = self._limits if resemblance is None else self._relative
        rise = resemblance or 0.0
        judged = self._policy.judge(similarity, correction, limits.limit, rise)
        strict, strictest = (
            self._policy.pair_threshold(correction + rise, limit) for limit in limits[1:]
        )
        return GradedJudgement(judged, strict, max(strict, strictest))


def _limits(limit: Limit, of_rate: Callable[[float], Limit]) -> _Limits:
    if limit.target is None:
        way = 1.0 - limit.threshold
        return _Limits(
            limit, *(Limit(limit.threshold + share * way, fixed=True) for share in _FIXED_SHARES)
        )
    return _Limits(limit, *(of_rate(limit.target / factor) for factor in _STRICTER))


def best_of(graded: Sequence[GradedJudgement]) -> GradedJudgement | None:
    """The one that is furthest above its threshold, None if there is none."""
    if not graded:
        return None
    return max(graded, key=lambda one: one.margin)
