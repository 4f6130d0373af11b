"""Thresholds of a search relative to how much the probe resembles other people of the gallery.

The similarity of strangers depends on who they are: people of one group, age or kind of photo are
more similar to each other. One threshold that holds a false positive rate for everybody refuses
most others. The next people in the ranking of a probe tell how similar strangers are to it:
test normalisation with the nearest cohort speakers (Sturim & Reynolds 2005), with the gallery as
the cohort (docs/adr/0034-searches-relative-to-the-gallery.md).
"""

import math
from collections.abc import Sequence

import numpy as np

from app.faces.decisions.thresholds import HIGHEST_THRESHOLD, Thresholds
from app.inference.manifest import Manifest, SearchCalibration

SEARCHED = 7
"""People whose scores a resemblance needs."""

_SKIPPED = 2  # the candidate, and one more, who may be a twin or the same person enrolled twice


def resemblance_of(scores: Sequence[float]) -> float | None:
    """The mean of the third to the seventh best score of a probe; None for fewer scores."""
    if len(scores) < SEARCHED:
        return None
    return float(np.mean(scores[_SKIPPED:SEARCHED]))


class SearchThresholds:
    """What the score of a candidate must exceed the weighted resemblance by.

    Interpolates the model's table; the logarithm of the rate is linear between its knots and, with
    the last slope, beyond them. In galleries that are larger than those measured, all scores of a
    stranger rise alike, and so the threshold rises by the part that the resemblance does not take
    off.
    """

    def __init__(
        self,
        calibration: SearchCalibration,
        thresholds: Thresholds,
        model: "SearchThresholds | None" = None,
    ) -> None:
        """`thresholds` are those of cosines, of the same faces. For the calibration of a gallery,
        `model` are those of the model: they hold for every group, so the lower of both decides.
        """
        self.weight: float = calibration.weight
        self.fewest_people = calibration.fewest_people
        self._model = model if model is not None and model.weight == self.weight else None
        self._most_people, self._cosine = calibration.most_people, thresholds
        self._log_fpir = np.log(np.array(calibration.fpir))
        self._threshold = np.array(calibration.threshold)

    @classmethod
    def of(cls, manifest: Manifest) -> "SearchThresholds | None":
        """Those of a model, None if its manifest has none."""
        if manifest.search is None:
            return None
        return cls(manifest.search, Thresholds.of(manifest))

    def threshold(self, target: float, people: int) -> float:
        """For a false positive identification rate of `target`, in (0, 1)."""
        own = self._measured(target) + self._beyond(target, people)
        if self._model is not None:
            own = min(own, self._model.threshold(target, people))
        return min(own, HIGHEST_THRESHOLD)

    def _measured(self, target: float) -> float:
        wanted, knots = math.log(target), self._log_fpir
        if wanted >= knots[-1]:
            return float(np.interp(-wanted, -knots, self._threshold))
        slope = (self._threshold[-1] - self._threshold[-2]) / (knots[-1] - knots[-2])
        return float(self._threshold[-1] + (wanted - knots[-1]) * slope)

    def _beyond(self, target: float, people: int) -> float:
        if people <= self._most_people:
            return 0.0
        cosine = self._cosine
        rise = cosine.for_fpir(target, people) - cosine.for_fpir(target, self._most_people)
        return (1.0 - self.weight) * rise
