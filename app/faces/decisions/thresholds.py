"""From a wanted error rate to a similarity threshold, through the model's calibration table."""

import math

import numpy as np

from app.errors import ModelError
from app.inference.manifest import Calibration, Manifest

_HIGHEST = 0.999  # a threshold above this would refuse the very same photo


class Thresholds:
    """Reads one calibration table both ways; log(FMR) is linear between its knots.

    Beyond the last knot the last slope goes on. Impostor tails fall faster than that, so the
    threshold errs towards too strict.
    """

    def __init__(self, calibration: Calibration) -> None:
        # Every pair reaches a similarity of -1: the knot that no table needs to state.
        self._similarity = np.array([-1.0, *calibration.similarity])
        self._log_fmr = np.log(np.array([1.0, *calibration.fmr]))

    @classmethod
    def of(cls, manifest: Manifest) -> "Thresholds":
        """The table of a model; an uncalibrated model cannot decide anything."""
        if manifest.calibration is None:
            raise ModelError(f"{manifest.name} has no calibration table; it cannot be served")
        return cls(manifest.calibration)

    def for_fmr(self, target: float) -> float:
        """The lowest similarity whose false match rate is at most `target`, in (0, 1]."""
        wanted = math.log(target)
        if wanted < self._log_fmr[-1]:
            slope = self._tail_slope()
            reached = float(self._similarity[-1] + (wanted - self._log_fmr[-1]) / slope)
            return min(reached, _HIGHEST)
        return float(np.interp(-wanted, -self._log_fmr, self._similarity))

    def for_fpir(self, target: float, gallery_size: int) -> float:
        """Open-set threshold from FPIR = 1 - (1 - FMR)^N (Grother & Phillips 2004)."""
        people = max(1, gallery_size)
        return self.for_fmr(-math.expm1(math.log1p(-target) / people))

    def fmr_at(self, similarity: float) -> float:
        """Estimated false match rate of a threshold at `similarity`."""
        if similarity > self._similarity[-1]:
            beyond = (similarity - self._similarity[-1]) * self._tail_slope()
            return math.exp(float(self._log_fmr[-1]) + beyond)
        return math.exp(float(np.interp(similarity, self._similarity, self._log_fmr)))

    def _tail_slope(self) -> float:
        """Change of log(FMR) per similarity at the end of the table; below zero."""
        rise = self._similarity[-1] - self._similarity[-2]
        return float((self._log_fmr[-1] - self._log_fmr[-2]) / rise)
