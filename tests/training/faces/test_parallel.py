"""Processes that average their gradients."""

import os
import signal
from collections.abc import Sequence

import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from torch import nn

from training.faces.parallel import Averaging, Order, averaging_with_helpers


def weights_with_gradients(value: float) -> list[nn.Parameter]:
    """Two weights; all elements of their gradients are `value`."""
    weights = [nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(4))]
    for weight in weights:
        weight.grad = torch.full_like(weight, value)
    return weights


def gradients(weights: Sequence[nn.Parameter]) -> set[float]:
    """All elements of the gradients."""
    return {
        float(x) for weight in weights if weight.grad is not None for x in weight.grad.flatten()
    }


def test_all_processes_get_the_mean_and_the_order_of_the_first() -> None:
    reader, writer = os.pipe()

    def work(averaging: Averaging) -> None:
        for step in range(3):
            weights = weights_with_gradients(10.0 * averaging.number + step)
            order = averaging.average(weights, Order(-1.0, last=True))
            line = (
                f"{averaging.number} of {averaging.processes}: {order.rate} {gradients(weights)}\n"
            )
            os.write(writer, line.encode())

    with averaging_with_helpers(3, 10, work) as averaging:
        for step in range(3):
            weights = weights_with_gradients(step)
            averaging.average(weights, Order(0.5 * step, last=step == 2))
            assert gradients(weights) == {10.0 + step}
    os.close(writer)
    with os.fdopen(reader) as lines:
        said = sorted(lines.read().splitlines())
    assert said == [
        f"{number} of 3: {0.5 * step} {{{10.0 + step}}}" for number in (1, 2) for step in range(3)
    ]


def test_one_process_keeps_its_gradients() -> None:
    weights = weights_with_gradients(3.0)
    with averaging_with_helpers(1, 10, lambda _: None) as averaging:
        assert averaging.average(weights, Order(0.1, last=False)) == Order(0.1, last=False)
    assert gradients(weights) == {3.0}


def test_the_end_of_a_helper_is_reported() -> None:
    def work(_exchange: Averaging) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with (
        averaging_with_helpers(2, 10, work) as averaging,
        pytest.raises(RuntimeError, match="has ended"),
    ):
        averaging.average(weights_with_gradients(1.0), Order(0.1, last=False))


def test_helpers_end_with_the_first_process() -> None:
    """Without the end of the helper, leaving the block would wait for it forever."""

    def work(averaging: Averaging) -> None:
        while True:
            averaging.average(weights_with_gradients(1.0), Order(0.0, last=False))

    with averaging_with_helpers(2, 10, work) as averaging:
        averaging.average(weights_with_gradients(1.0), Order(0.1, last=False))
