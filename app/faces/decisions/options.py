"""Decision options of a request, a collection or the settings, and which of them applies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import InvalidRequest

HIGHEST_RATE = 0.5


@dataclass(frozen=True, slots=True)
class DecisionOptions:
    """Target error rates, in (0, 0.5], and a fixed threshold, a cosine; None where not set.

    Raises InvalidRequest for a value out of range.
    """

    target_fmr: float | None = None
    target_fpir: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        for name, rate in (("target_fmr", self.target_fmr), ("target_fpir", self.target_fpir)):
            if rate is not None and not 0.0 < rate <= HIGHEST_RATE:
                raise InvalidRequest(
                    name, f"{name} {rate:g} is not allowed; use a number above 0, at most 0.5"
                )
        if self.threshold is not None and not -1.0 <= self.threshold <= 1.0:
            raise InvalidRequest(
                "threshold",
                f"the threshold {self.threshold:g} is not allowed; use a cosine from -1 to 1",
            )

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "DecisionOptions":
        """The decision options among the stored options of a gallery."""
        return cls(stored.get("target_fmr"), stored.get("target_fpir"), stored.get("threshold"))

    def stored(self) -> dict[str, float]:
        """The options that are set, as options of a gallery; the inverse of `of`."""
        values = {
            "target_fmr": self.target_fmr,
            "target_fpir": self.target_fpir,
            "threshold": self.threshold,
        }
        return {name: value for name, value in values.items() if value is not None}
