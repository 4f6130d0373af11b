"""The optimizer SOAP."""

import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from training.faces.soap import Soap

_SHAPES = [(6, 3, 3, 3), (6, 3, 3, 3), (4, 2), (2, 4), (6,), (6,)]


def make_weights(seed: int) -> list[nn.Parameter]:
    """Random weights of convolutions, of linear layers with few and many outputs, and biases."""
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in _SHAPES]


def train(weights: list[nn.Parameter], optimizer: Optimizer, steps: int) -> None:
    """Draw the weights towards zero."""
    for _ in range(steps):
        optimizer.zero_grad()
        sum(weight.square().sum() for weight in weights).backward()
        optimizer.step()


def test_every_shape_of_weight_is_trained() -> None:
    weights = make_weights(1)
    before = [float(weight.detach().norm()) for weight in weights]
    train(weights, Soap(weights, 0.05, 0.0), 60)
    assert all(
        float(weight.detach().norm()) < 0.3 * norm
        for weight, norm in zip(weights, before, strict=True)
    )


def test_the_first_update_does_not_depend_on_the_scale_of_the_gradients() -> None:
    changes = []
    for scale in (1.0, 1e-4):
        weight = nn.Parameter(torch.zeros(3, 5))
        weight.grad = scale * torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
        Soap([weight], 0.1, 0.0).step()
        changes.append(weight.detach().clone())
    assert torch.allclose(changes[0], changes[1], atol=2e-3)
    assert float(changes[0].abs().max()) <= 0.3, "a rotation of entries of at most the rate"


def test_it_needs_fewer_steps_than_adam_where_the_inputs_are_correlated() -> None:
    """A regression whose inputs vary 100 times as much in one direction as in others."""
    generator = torch.Generator().manual_seed(3)
    turn = torch.linalg.qr(torch.randn(16, 16, generator=generator)).Q
    inputs = torch.randn(512, 16, generator=generator) * torch.logspace(0, -2, 16) @ turn
    targets = inputs @ (torch.randn(16, 16, generator=generator))

    def loss_after(make: type[Soap] | type[AdamW]) -> float:
        weight = nn.Parameter(torch.zeros(16, 16))
        optimizer = make([weight], 0.03, weight_decay=0.0)

        def loss() -> Tensor:
            return (inputs @ weight.t() - targets).square().mean()

        for _ in range(200):
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
        return float(loss().detach())

    assert loss_after(Soap) < 0.5 * loss_after(AdamW)


def test_a_resumed_optimizer_continues_exactly() -> None:
    weights = make_weights(4)
    optimizer = Soap(weights, 0.01, 0.1)
    train(weights, optimizer, 25)
    copies = [nn.Parameter(weight.detach().clone()) for weight in weights]
    resumed = Soap(copies, 0.01, 0.1)
    resumed.load_state_dict(optimizer.state_dict())
    train(weights, optimizer, 25)
    resumed_state = resumed.state_dict()
    assert resumed_state["steps"] == 25
    train(copies, resumed, 25)
    assert all(torch.equal(*pair) for pair in zip(weights, copies, strict=True))
