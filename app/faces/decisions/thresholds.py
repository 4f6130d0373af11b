"""Converts target error rates to similarity thresholds with the model's calibration table."""

import math
import sys

import numpy as np

from app.errors import ModelError
from app.inference.manifest import Calibration, Manifest

HIGHEST_THRESHOLD = 0.999  # a higher threshold could reject two copies of the same photo


class Thresholds:
    """Interpolates a calibration table in both directions; log(FMR) is linear between its knots.

    Beyond the last knot the last slope is extrapolated. The tails of impostor distributions fall
    faster than that, so extrapolated thresholds are conservative.
    """

    def __init__(self, calibration: Calibration) -> None:
        # Every pair has a similarity of at least -1, so tables omit this knot.
        self._similarity = np.array([-1.0, *calibration.similarity])
        self._log_fmr = np.log(np.array([1.0, *calibration.fmr]))
        self._fnmr = np.array(calibration.fnmr)

    @classmethod
    def of(cls, manifest: Manifest) -> "Thresholds":
        """Thresholds of a model. Raises ModelError if its manifest has no calibration table."""
        if manifest.calibration is None:
            raise ModelError(f"{manifest.name} has no calibration table; it cannot be served")
        return cls(manifest.calibration)

    def for_fmr(self, target: float) -> float:
        """The lowest threshold whose estimated false match rate is at most `target`, in (0, 1]."""
        wanted = math.log(target)
        if wanted < self._log_fmr[-1]:
            slope = self._tail_slope()
            reached = float(self._similarity[-1] + (wanted - self._log_fmr[-1]) / slope)
            return min(reached, HIGHEST_THRESHOLD)
        return float(np.interp(-wanted, -self._log_fmr, self._similarity))

    def for_fpir(self, target: float, gallery_size: int) -> float:
        """Threshold for a false positive identification rate of `target` in a gallery.

        FPIR = 1 - (1 - FMR)^N for N people (Grother & Phillips 2004); `target` is in (0, 1).
        """
        people = max(1, gallery_size)
        fmr = -math.expm1(math.log1p(-target) / people)
        return self.for_fmr(max(fmr, sys.float_info.min))  # a tiny target rate rounds to 0

    def fmr_at(self, similarity: float) -> float:
        """Estimated false match rate of the threshold `similarity`."""
        if similarity > self._similarity[-1]:
            beyond = (similarity - self._similarity[-1]) * self._tail_slope()
            return math.exp(float(self._log_fmr[-1]) + beyond)
        return math.exp(float(np.interp(similarity, self._similarity, self._log_fmr)))

    def fnmr_at(self, similarity: float) -> float | None:
        """Share of genuine pairs below `similarity`, linear between the knots.

        None where the table does not state it, and above its last knot.
        """
        if not len(self._fnmr) or similarity > self._similarity[-1]:
            return None
        return float(np.interp(similarity, self._similarity, np.array([0.0, *self._fnmr])))

    def _tail_slope(self) -> float:
        """Slope of log(FMR) over similarity between the last two knots; negative."""
        rise = self._similarity[-1] - self._similarity[-2]
        return float((self._log_fmr[-1] - self._log_fmr[-2]) / rise)
