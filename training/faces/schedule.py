"""Learning rate schedules, by number of steps or by the clock."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Moment(NamedTuple):
    """A step, and the time since the start of the run."""

    step: int
    seconds: float = 0.0


class Schedule(Protocol):
    """The learning rate at each moment, and the end of the run."""

    @property
    def last_step(self) -> int:
        """No step from this one on is trained."""
        ...

    def rate(self, now: Moment) -> float:
        """The learning rate, 0 or more."""
        ...

    def finished(self, now: Moment) -> bool:
        """Whether the run ends before the step."""
        ...


@dataclass(frozen=True, slots=True)
class WarmupStableDecay:
    """Learning rate by step (Hu et al. 2024, MiniCPM).

    Linear warm-up to `peak`, constant until `cooldown_from`, linear decay to 0.
    """

    peak: float
    warmup_steps: int
    cooldown_from: int
    cooldown_steps: int

    @property
    def last_step(self) -> int:
        """End of the cool-down."""
        return self.cooldown_from + self.cooldown_steps

    def rate(self, now: Moment) -> float:
        """Learning rate of the step, 0 to `peak`."""
        if now.step < self.warmup_steps:
            return self.peak * (now.step + 1) / self.warmup_steps
        if now.step < self.cooldown_from:
            return self.peak
        done = (now.step - self.cooldown_from) / max(1, self.cooldown_steps)
        return self.peak * max(0.0, 1.0 - done)

    def finished(self, now: Moment) -> bool:
        """Whether the cool-down has ended."""
        return now.step >= self.last_step


@dataclass(frozen=True, slots=True)
class ByTheClock:
    """Learning rate by time, for a run that must end at a given time whatever its speed.

    Linear warm-up over the first `warmup_steps` from `first_step` on, constant at `peak`, then
    linear decay to 0 over the last `cooldown_share` of `seconds`.
    """

    peak: float
    first_step: int
    warmup_steps: int
    seconds: float
    cooldown_share: float
    last_step: int = 2**31

    def rate(self, now: Moment) -> float:
        """The learning rate, 0 to `peak`."""
        warm = min(1.0, (now.step - self.first_step + 1) / max(1, self.warmup_steps))
        left = max(0.0, self.seconds - now.seconds)
        return self.peak * warm * min(1.0, left / max(1e-9, self.cooldown_share * self.seconds))

    def finished(self, now: Moment) -> bool:
        """Whether the time is over."""
        return now.seconds >= self.seconds
