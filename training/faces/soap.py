"""SOAP (Vyas et al. 2024): Adam in the eigenbasis of Shampoo's preconditioner.

One-sided: each weight is a matrix of one row for each output, and only its smaller side has a
preconditioner, which keeps the cost low. Weights of equal shape are computed together, since a
network of many small layers has hundreds of them. Products are computed in bfloat16.

Distillation gains from second-order preconditioners in particular (Beyer et al. 2022, section 3.6).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_MOMENTUM, _SQUARES, _PRECONDITIONER = 0.95, 0.95, 0.95  # decay of the averages, as in the paper
_EPSILON = 1e-8
_BASIS_EVERY = 20  # steps between two updates of the eigenbasis
_FIRST_BASES = (1, 3, 6, 10, 15)  # steps of further updates at the start
_RIDGE = 1e-7  # of the mean eigenvalue, for the first decomposition


class Soap(Optimizer):
    """One-sided SOAP with decoupled weight decay; vectors have Adam without a basis.

    The state is that of the groups of weights of equal shape, in the order of the first weight of
    each, so it can be loaded for the same weights only.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], learning_rate: float, weight_decay: float
    ) -> None:
        super().__init__(weights, {"lr": learning_rate, "weight_decay": weight_decay})
        self._steps = 0
        self._groups = [
            _Matrices(same) if len(shape) == 2 else _Vectors(same)
            for shape, same in _by_shape(self.param_groups[0]["params"])
        ]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Change the weights by their gradients, which all must have."""
        assert closure is None, "closures are not supported"
        self._steps += 1
        settings = self.param_groups[0]
        momentum = 1.0 - _MOMENTUM**self._steps
        for group in self._groups:
            updates = group.updates(self._steps)
            torch._foreach_mul_(group.weights, 1.0 - settings["lr"] * settings["weight_decay"])
            torch._foreach_add_(group.weights, updates, alpha=-settings["lr"] / momentum)

    def state_dict(self) -> dict[str, Any]:
        """The number of steps and the averages of each group."""
        return {"steps": self._steps, "groups": [group.state for group in self._groups]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load what `state_dict` returned for the same weights; the learning rate is not part."""
        self._steps = state_dict["steps"]
        for group, state in zip(self._groups, state_dict["groups"], strict=True):
            group.state.update({name: value.clone() for name, value in state.items()})


class _Vectors:
    """Weights of one dimension of equal length: Adam."""

    def __init__(self, weights: Sequence[nn.Parameter]) -> None:
        self.weights = list(weights)
        shape = (len(weights), weights[0].numel())
        zeros = weights[0].new_zeros
        self.state = {"momentum": zeros(shape), "squares": zeros(shape)}

    def updates(self, steps: int) -> list[Tensor]:
        gradients = torch.stack([_gradient(weight) for weight in self.weights])
        return list(_adam(self.state, gradients, steps))


class _Matrices:
    """Weights of equal shape as matrices (outputs, inputs): Adam in an eigenbasis.

    `basis` (n, side, side) are the eigenvectors of `products`, the average of the products of the
    gradients with themselves, of the smaller side.
    """

    def __init__(self, weights: Sequence[nn.Parameter]) -> None:
        self.weights = list(weights)
        rows, columns = len(weights[0]), weights[0][0].numel()
        self._by_rows = rows <= columns
        side, other = min(rows, columns), max(rows, columns)
        zeros, count = weights[0].new_zeros, len(weights)
        self.state = {
            "momentum": zeros(count, side, other),
            "squares": zeros(count, side, other),
            "products": zeros(count, side, side),
            "basis": torch.eye(side, device=weights[0].device).repeat(count, 1, 1),
        }

    def updates(self, steps: int) -> list[Tensor]:
        gradients = torch.stack([_gradient(weight).flatten(1) for weight in self.weights])
        if not self._by_rows:
            gradients = gradients.transpose(1, 2).contiguous()
        rounded = gradients.bfloat16()
        products = torch.bmm(rounded, rounded.transpose(1, 2)).float()
        self.state["products"].lerp_(products, 1.0 - _PRECONDITIONER if steps > 1 else 1.0)
        if steps in _FIRST_BASES or steps % _BASIS_EVERY == 0:
            self._change_basis(first=steps == 1)
        basis = self.state["basis"].bfloat16()
        rotated = torch.bmm(basis.transpose(1, 2), rounded).float()
        changes = torch.bmm(basis, _adam(self.state, rotated, steps).bfloat16()).float()
        if not self._by_rows:
            changes = changes.transpose(1, 2)
        return [
            change.reshape(weight.shape)
            for change, weight in zip(changes, self.weights, strict=True)
        ]

    def _change_basis(self, first: bool) -> None:
        """The eigenvectors of the products, later by one step of orthogonal iteration."""
        products, basis = self.state["products"], self.state["basis"]
        scale = products.diagonal(dim1=1, dim2=2).mean(dim=1).clamp_min(1e-30)
        scaled = products / scale[:, None, None]
        if first:
            ridge = _RIDGE * torch.eye(products.shape[1], device=products.device)
            changed = torch.linalg.eigh(scaled + ridge).eigenvectors.flip(2)
        else:
            changed = torch.linalg.qr(torch.bmm(scaled, basis)).Q
        turn = torch.bmm(changed.transpose(1, 2), basis)
        self.state["momentum"] = torch.bmm(turn, self.state["momentum"])
        self.state["basis"] = changed


def _adam(state: dict[str, Tensor], gradients: Tensor, steps: int) -> Tensor:
    """Update the averages in `state`; the momentum over the root of the mean squares."""
    state["momentum"].lerp_(gradients, 1.0 - _MOMENTUM)
    state["squares"].mul_(_SQUARES).addcmul_(gradients, gradients, value=1.0 - _SQUARES)
    root = (state["squares"] / (1.0 - _SQUARES**steps)).sqrt_()
    return state["momentum"] / root.add_(_EPSILON)


def _by_shape(
    weights: Iterable[nn.Parameter],
) -> list[tuple[tuple[int, ...], list[nn.Parameter]]]:
    """Weights of equal shape together, as vectors (length,) or matrices (outputs, inputs)."""

    def shape(weight: nn.Parameter) -> tuple[int, ...]:
        return (len(weight), weight[0].numel()) if weight.dim() > 1 else (len(weight),)

    return [(key, list(same)) for key, same in groupby(sorted(weights, key=shape), key=shape)]


def _gradient(weight: nn.Parameter) -> Tensor:
    assert weight.grad is not None, "every weight that is trained has a gradient"
    return weight.grad
