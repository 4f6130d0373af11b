"""Trains with several processes that average their gradients, each with batches of its own.

The layers of the network are small: on two CPU cores two threads compute 1.3 times as many
gradients as one, and two processes 1.8 times, if no blends are made beside them.
"""

import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor, nn

_BUFFERS = 2  # a process writes to one while another one may still read the other


class Order(NamedTuple):
    """What the first process decides in a step: the learning rate, and whether it is the last."""

    rate: float
    last: bool


class Averaging(Protocol):
    """The part of one process, `number` of `processes`, in the averaging of gradients."""

    number: int
    processes: int

    def average(self, weights: Sequence[nn.Parameter], order: Order) -> Order:
        """Replace the gradients of `weights` by their mean over all processes.

        Returns the order of the first process. Raises RuntimeError in it if another process has
        ended.
        """
        ...


class Alone:
    """Of a single process: there is nothing to average."""

    number, processes = 0, 1

    def average(self, weights: Sequence[nn.Parameter], order: Order) -> Order:  # noqa: ARG002 - part of the protocol
        """Change nothing."""
        return order


Work: TypeAlias = Callable[[Averaging], None]


class _Shared:
    """Gradients of all processes in memory that forked processes share."""

    def __init__(self, processes: int, size: int) -> None:
        memory = mmap.mmap(-1, _BUFFERS * processes * size * 4)
        flat = torch.frombuffer(memory, dtype=torch.float32)
        self._buffers = flat.view(_BUFFERS, processes, size)
        self._step = 0

    def write(self, number: int, weights: Sequence[nn.Parameter]) -> None:
        self._step += 1
        torch.cat([_gradient(weight).flatten() for weight in weights], out=self._now[number])

    def read_mean(self, weights: Sequence[nn.Parameter]) -> None:
        mean = self._now.mean(dim=0)
        parts = mean.split([weight.numel() for weight in weights])
        for weight, part in zip(weights, parts, strict=True):
            _gradient(weight).copy_(part.view(weight.shape))

    @property
    def _now(self) -> Tensor:
        return self._buffers[self._step % _BUFFERS]


class _Leader:
    """The first process: it waits for the gradients of the others, then sends them its order."""

    number = 0

    def __init__(self, shared: _Shared, helpers: Sequence[Connection]) -> None:
        self._shared, self._helpers = shared, helpers
        self.processes = 1 + len(helpers)

    def average(self, weights: Sequence[nn.Parameter], order: Order) -> Order:
        self._shared.write(self.number, weights)
        try:
            for helper in self._helpers:
                helper.recv()
            for helper in self._helpers:
                helper.send(order)
        except (EOFError, OSError) as error:
            raise RuntimeError("a process that computes gradients has ended") from error
        self._shared.read_mean(weights)
        return order


class _Helper:
    """A further process."""

    def __init__(self, shared: _Shared, leader: Connection, number: int, processes: int) -> None:
        self._shared, self._leader = shared, leader
        self.number, self.processes = number, processes

    def average(self, weights: Sequence[nn.Parameter], order: Order) -> Order:  # noqa: ARG002 - the leader's counts
        self._shared.write(self.number, weights)
        try:
            self._leader.send(None)
            decided: Order = self._leader.recv()
        except (EOFError, OSError):
            raise SystemExit from None  # the leader has ended, and reports the reason if it can
        self._shared.read_mean(weights)
        return decided


@contextmanager
def averaging_with_helpers(processes: int, size: int, work: Work) -> Iterator[Averaging]:
    """Run `work` in `processes - 1` forked processes; yields the averaging of this one.

    `size` is the number of elements of the gradients. The forked processes have the state of this
    one at the start. They end when `work` returns, or when they next average after this block.
    """
    if processes == 1:
        yield Alone()
        return
    shared, context = _Shared(processes, size), get_context("fork")
    pipes = [context.Pipe() for _ in range(processes - 1)]

    def help_with(number: int) -> None:
        for ours, _ in pipes:
            ours.close()  # so that a helper notices the end of the leader
        work(_Helper(shared, pipes[number - 1][1], number, processes))

    helpers = [context.Process(target=help_with, args=(n,)) for n in range(1, processes)]
    for helper in helpers:
        helper.start()
    for _, theirs in pipes:
        theirs.close()
    try:
        yield _Leader(shared, [ours for ours, _ in pipes])
    finally:
        for ours, _ in pipes:
            ours.close()
        for helper in helpers:
            helper.join()


def _gradient(weight: nn.Parameter) -> Tensor:
    assert weight.grad is not None, "every weight that is trained has a gradient"
    return weight.grad
