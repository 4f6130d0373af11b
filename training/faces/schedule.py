"""Warmup-stable-decay learning rate schedule, whose decay may be started at any step."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WarmupStableDecay:
    """Learning rate by step (Hu et al. 2024, MiniCPM).

    Linear warm-up to `peak`, constant until `cooldown_from` (None: without end), linear decay to 0.
    """

    peak: float
    warmup_steps: int
    cooldown_from: int | None
    cooldown_steps: int

    def __call__(self, step: int) -> float:
        """Learning rate of `step`, 0 to `peak`."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        if self.cooldown_from is None or step < self.cooldown_from:
            return self.peak
        done = (step - self.cooldown_from) / max(1, self.cooldown_steps)
        return float(self.peak * max(0.0, 1.0 - done))
