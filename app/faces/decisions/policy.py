"""Decides whether two faces match: the pair's own threshold and its estimated false match rate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.faces.decisions.normalisation import NoNormalisation, ScoreNormaliser
from app.faces.decisions.search_thresholds import SearchThresholds
from app.faces.decisions.thresholds import HIGHEST_THRESHOLD, Thresholds
from app.vectors import SCORE_TOLERANCE, Matrix, Vector


@dataclass(frozen=True, slots=True)
class Judgement:
    """A compared pair. `similarity` is the cosine; a match is `similarity >= threshold`.

    `threshold` belongs to this pair; `estimated_fmr` is the false match rate of the threshold that
    this pair would just reach.
    """

    similarity: float
    threshold: float
    estimated_fmr: float

    @property
    def matches(self) -> bool:
        """Whether the similarity reaches the threshold."""
        return self.similarity >= self.threshold


@dataclass(frozen=True, slots=True)
class Limit:
    """What a comparison must reach: `threshold` holds for an average pair.

    `fixed` thresholds are cosines that hold for every pair: normalisation is not applied. `target`
    is the error rate that the threshold was computed from, None for a fixed one. With
    `resemblance_weight` above 0, the threshold of a search rises by so many times the resemblance
    of the probe to other people of the gallery, plus that of the template if `of_templates`.
    """

    threshold: float
    fixed: bool = False
    target: float | None = None
    resemblance_weight: float = 0.0
    of_templates: bool = False


class SearchedPair(NamedTuple):
    """What the score of a pair must reach in a search: `limit`, plus `resemblance`, which is
    already weighted."""

    limit: Limit
    resemblance: float


class DecisionPolicy:
    """Thresholds and score normalisation of one model, or of one collection's calibration."""

    def __init__(
        self,
        thresholds: Thresholds,
        normaliser: ScoreNormaliser,
        search: SearchThresholds | None = None,
    ) -> None:
        """Without `search`, searches have one threshold for every probe."""
        self._thresholds, self._normaliser, self._search = thresholds, normaliser, search

    @property
    def thresholds(self) -> Thresholds:
        """Thresholds of an average pair."""
        return self._thresholds

    @property
    def search(self) -> SearchThresholds | None:
        """Thresholds of searches relative to the gallery."""
        return self._search

    def for_fmr(self, target: float) -> Limit:
        """The limit with a false match rate of at most `target` in a 1:1 comparison."""
        return Limit(self._thresholds.for_fmr(target), target=target)

    def for_fpir(self, target: float, gallery_size: int) -> Limit:
        """The limit with a false positive rate of at most `target` in a search of the gallery."""
        return Limit(self._thresholds.for_fpir(target, gallery_size), target=target)

    def for_search(self, target: float, gallery_size: int) -> Limit:
        """Like `for_fpir`, but relative to the people of the gallery where that was measured.

        Judge with what `searched` returns.
        """
        search = self._search
        relative = None if search is None else search.relative(target, gallery_size)
        if relative is None:
            return self.for_fpir(target, gallery_size)
        return Limit(
            relative.threshold,
            target=target,
            resemblance_weight=relative.weight,
            of_templates=relative.of_templates,
        )

    def searched(
        self, limit: Limit, gallery_size: int, resemblances: Sequence[float | None]
    ) -> SearchedPair:
        """The limit for a pair of the faces that have these resemblances: of the probe, and of the
        template if the limit needs it.

        If one is None, since too few people were found, the threshold is that of `for_fpir`.
        """
        if not limit.resemblance_weight:
            return SearchedPair(limit, 0.0)
        known = [one for one in resemblances if one is not None]
        if len(known) < len(resemblances):
            assert limit.target is not None, "a limit of a search has a target rate"
            return SearchedPair(self.for_fpir(limit.target, gallery_size), 0.0)
        return SearchedPair(limit, limit.resemblance_weight * sum(known))

    def expected_fnmr(self, limit: Limit) -> float | None:
        """The expected share of genuine pairs below the limit; None where it is unknown.

        It is unknown for a fixed cosine if the table was measured on normalised scores.
        """
        if limit.fixed and self.normalises:
            return None
        return self._thresholds.fnmr_at(limit.threshold)

    @property
    def normalises(self) -> bool:
        """Whether scores are corrected; if not, every pair has the same threshold."""
        return not isinstance(self._normaliser, NoNormalisation)

    def corrections(self, embeddings: Matrix) -> NDArray[np.float32]:
        """What each face takes off a score, shape (n,)."""
        return self._normaliser.corrections(embeddings)

    def judge(
        self, similarity: float, correction: float, limit: Limit, resemblance: float = 0.0
    ) -> Judgement:
        """Compare a pair; `correction` is the sum of both faces' corrections.

        `resemblance` is that of a SearchedPair.
        """
        similarity = min(similarity, 1.0)  # rounding may exceed 1
        rate = self._thresholds.fmr_at(similarity - correction)
        threshold = self.pair_threshold(correction + resemblance, limit)
        return Judgement(similarity, threshold, rate)

    def pair_threshold(self, correction: float, limit: Limit) -> float:
        """The threshold of a pair; `correction` is the sum of both faces' corrections."""
        threshold = limit.threshold if limit.fixed else limit.threshold + correction
        return min(threshold, HIGHEST_THRESHOLD)

    def judge_best(
        self, probe: Vector, templates: Matrix, limit: Limit, rejected: Matrix | None = None
    ) -> Judgement:
        """Judges the best of several templates (n, dimension); similarity -1 if there is none.

        `rejected` are faces that are known not to be the person, shape (m, dimension). A match must
        have a higher score than with any of them, which raises the threshold.
        """
        if not len(templates):
            return self.judge(-1.0, 0.0, limit)
        similarity, correction = self._best(probe, templates, limit)
        judgement = self.judge(similarity, correction, limit)
        if rejected is None or not len(rejected):
            return judgement
        other, other_correction = self._best(probe, rejected, limit)
        needed = other if limit.fixed else other - other_correction + correction
        return replace(judgement, threshold=max(judgement.threshold, needed + SCORE_TOLERANCE))

    def _best(self, probe: Vector, vectors: Matrix, limit: Limit) -> tuple[float, float]:
        """The similarity of the vector with the highest score, and the correction of that pair."""
        corrections = self.corrections(vectors) + self.corrections(probe[None])
        similarities = vectors @ probe
        scores = similarities if limit.fixed else similarities - corrections
        best = int(np.argmax(scores))
        return float(similarities[best]), float(corrections[best])
