"""The optimizers that a training configuration names."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.optim import Optimizer

from training.faces.config import RunConfig
from training.faces.soap import Soap


def make_optimizer(weights: Sequence[nn.Parameter], config: RunConfig) -> Optimizer:
    """The optimizer of `config` for `weights`, with its learning rate and weight decay."""
    if config.optimizer == "soap":
        return Soap(weights, config.learning_rate, config.weight_decay)
    return torch.optim.AdamW(
        weights,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True,  # one pass over each weight; a third of the time on one CPU core
    )
