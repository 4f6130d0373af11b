"""Training state on disk: written beside the old one and swapped in, never half there."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@dataclass(slots=True)
class Progress:
    """Where a run stands. `cooldown_from` is the step at which cool-down began, if it has."""

    step: int = 0
    cooldown_from: int | None = None


class Average:
    """Exponential moving average of weights and BatchNorm statistics (Polyak averaging)."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.state = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network; faster at first, so that the random start is forgotten."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1.0 - decay)
            else:
                self.state[name].copy_(value)


def save_checkpoint(
    path: Path, progress: Progress, network: nn.Module, average: Average, optimizer: Optimizer
) -> None:
    """Replace the checkpoint at `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    content = {
        "step": progress.step,
        "cooldown_from": progress.cooldown_from,
        "network": network.state_dict(),
        "average": average.state,
        "optimizer": optimizer.state_dict(),
    }
    torch.save(content, fresh)
    os.replace(fresh, path)


def load_checkpoint(
    path: Path, network: nn.Module, average: Average, optimizer: Optimizer
) -> Progress:
    """Continue from `path`; a fresh start where there is none."""
    if not path.exists():
        return Progress()
    content = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(content["network"])
    average.state = content["average"]
    optimizer.load_state_dict(content["optimizer"])
    return Progress(content["step"], content["cooldown_from"])


def save_weights(path: Path, network: nn.Module) -> None:
    """Write a checkpoint that holds only weights, for `--start` of a later stage."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"step": 0, "average": network.state_dict()}, path)


def read_average(path: Path) -> tuple[dict[str, Tensor], int]:
    """The averaged weights of a checkpoint and its step, for evaluation and export."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    state: dict[str, Tensor] = content["average"]
    return state, int(content["step"])
