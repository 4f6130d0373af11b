"""Reads and atomically replaces the checkpoint of a training run."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@dataclass(slots=True)
class Progress:
    """Number of finished steps, and the step at which the cool-down began (None: not yet)."""

    step: int = 0
    cooldown_from: int | None = None


class Average:
    """Exponential moving average of weights and BatchNorm statistics (Polyak averaging)."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.state = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Update the average; the decay is lower in the first steps, whose weights are random."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1.0 - decay)
            else:
                self.state[name].copy_(value)


def save_checkpoint(
    path: Path, progress: Progress, network: nn.Module, average: Average, optimizer: Optimizer
) -> None:
    """Replace the checkpoint at `path` atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    content = {
        "step": progress.step,
        "cooldown_from": progress.cooldown_from,
        "network": network.state_dict(),
        "average": average.state,
        "optimizer": optimizer.state_dict(),
    }
    torch.save(content, temporary)
    os.replace(temporary, path)


def load_checkpoint(
    path: Path, network: nn.Module, average: Average, optimizer: Optimizer
) -> Progress:
    """Load the state in `path` into the arguments; does nothing if the file does not exist."""
    if not path.exists():
        return Progress()
    content = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(content["network"])
    average.state = content["average"]
    optimizer.load_state_dict(content["optimizer"])
    return Progress(content["step"], content["cooldown_from"])


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a checkpoint with weights only, for the option `--start` of a later stage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"step": 0, "average": network.state_dict()}, path)


def read_average(path: Path) -> tuple[dict[str, Tensor], int]:
    """The averaged weights of a checkpoint and its step."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    state: dict[str, Tensor] = content["average"]
    return state, int(content["step"])
