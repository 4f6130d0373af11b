"""Thresholds of a search relative to how much its faces resemble other people of the gallery.

The similarity of strangers depends on who they are: people of one group, age or kind of photo are
more similar to each other. One threshold that holds a false positive rate for everybody refuses
most others. The next people in the ranking of a face tell how similar strangers are to it:
test normalisation with the nearest cohort speakers (Sturim & Reynolds 2005), with the gallery as
the cohort (docs/adr/0034-searches-relative-to-the-gallery.md). In small galleries this is done with
both faces of a pair, as in symmetric normalisation (docs/adr/0035-both-faces-of-a-search.md).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.faces.decisions.thresholds import HIGHEST_THRESHOLD, Thresholds
from app.inference.manifest import Manifest, SearchCalibration, SearchTable

SEARCHED = 7
"""People whose scores a resemblance needs."""

FEWEST_PEOPLE, PAIRS_UP_TO = 10, 300
"""The smallest and the largest gallery in which the resemblance of the template counts as well. In
larger ones it would find no more people, and cost a search for each candidate."""

_SKIPPED = 2  # of a probe: the candidate, and one more, who may be a twin or the same person
# enrolled twice; of a template: its own person, and that one more


def resemblance_of(scores: Sequence[float]) -> float | None:
    """The mean of the third to the seventh best score of a face; None for fewer scores."""
    if len(scores) < SEARCHED:
        return None
    return float(np.mean(scores[_SKIPPED:SEARCHED]))


class RelativeThreshold(NamedTuple):
    """What a score must exceed `weight` times the resemblance by.

    The resemblance is that of the probe, plus that of the template if `of_templates`.
    """

    threshold: float
    weight: float
    of_templates: bool


class SearchThresholds:
    """Thresholds of a model, or of a gallery with a table of its own."""

    def __init__(
        self,
        calibration: SearchCalibration,
        thresholds: Thresholds,
        model: "SearchThresholds | None" = None,
    ) -> None:
        """`thresholds` are those of cosines, of the same faces. For the calibration of a gallery,
        `model` are those of the model.
        """
        self.weight: float = calibration.weight
        pairs, probes = calibration.pairs, calibration.probes
        self._pairs = None if pairs is None else _Table(pairs)
        self._probes = None if probes is None else _Probes(probes, self.weight, thresholds)
        self._model = model

    @classmethod
    def of(cls, manifest: Manifest) -> "SearchThresholds | None":
        """Those of a model, None if its manifest has none."""
        if manifest.search is None:
            return None
        return cls(manifest.search, Thresholds.of(manifest))

    def relative(self, target: float, people: int) -> RelativeThreshold | None:
        """For a false positive identification rate of `target`, in (0, 1).

        None where no table covers galleries of so many people. Those of a model hold for every
        group: of them and those of a gallery, the lower ones decide.
        """
        table = self._table(people)
        if table is None:
            return None if self._model is None else self._model.relative(target, people)
        of_templates = table is self._pairs
        needed = table.threshold(target, people)
        model = self._of_model(of_templates=of_templates)
        if model is not None:
            of_model = model.threshold(target, people)
            if people < table.fewest:  # the gallery was larger when it was measured
                needed += max(0.0, of_model - model.threshold(target, table.fewest))
            needed = min(needed, of_model)
        return RelativeThreshold(min(needed, HIGHEST_THRESHOLD), self.weight, of_templates)

    def _table(self, people: int) -> "_Table | None":
        """The table for galleries of so many people."""
        if self._pairs is not None and FEWEST_PEOPLE <= people <= PAIRS_UP_TO:
            return self._pairs
        if self._probes is not None and people >= self._probes.fewest:
            return self._probes
        return None

    def _of_model(self, *, of_templates: bool) -> "_Table | None":
        """The model's table whose thresholds can be compared with those of the same kind here."""
        if self._model is None or self._model.weight != self.weight:
            return None
        return self._model._pairs if of_templates else self._model._probes


class _Table:
    """Interpolates a table.

    Between the sizes measured, a threshold is linear in the logarithm of the size, beyond them it
    is constant. It is linear in the logarithm of the rate, below the lowest rate with the last
    slope.
    """

    def __init__(self, table: SearchTable) -> None:
        self.fewest, self.most = table.people[0], table.people[-1]
        self._log_people = np.log(table.people)
        self._log_fpir = np.log(table.fpir)
        self._rows = np.array(table.threshold)

    def threshold(self, target: float, people: int) -> float:
        """For a rate in (0, 1) and a gallery of so many people."""
        by_size = [self._of_rate(row, math.log(target)) for row in self._rows]
        return float(np.interp(math.log(people), self._log_people, by_size))

    def _of_rate(self, row: NDArray[np.float64], wanted: float) -> float:
        knots = self._log_fpir
        if wanted >= knots[-1]:
            return float(np.interp(-wanted, -knots, row))
        slope = (row[-1] - row[-2]) / (knots[-1] - knots[-2])
        return float(row[-1] + (wanted - knots[-1]) * slope)


class _Probes(_Table):
    """In galleries that are larger than those measured, all scores of a stranger rise alike, and so
    the threshold rises by the part that the resemblance does not take off.
    """

    def __init__(self, table: SearchTable, weight: float, thresholds: Thresholds) -> None:
        super().__init__(table)
        self._weight, self._cosine = weight, thresholds

    def threshold(self, target: float, people: int) -> float:
        within = super().threshold(target, people)
        if people <= self.most:
            return within
        cosine = self._cosine
        rise = cosine.for_fpir(target, people) - cosine.for_fpir(target, self.most)
        return within + (1.0 - self._weight) * rise
