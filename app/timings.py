"""Durations of the stages of a request, for `Server-Timing`, metrics and benchmarks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Timings:
    """Milliseconds per stage, in the order in which the stages were first entered.

    `before_stage` is called at the beginning of each stage and ends the work with an exception if
    its result is no longer needed.
    """

    def __init__(self, before_stage: Callable[[], None] = lambda: None) -> None:
        self.milliseconds: dict[str, float] = {}
        self._before_stage = before_stage

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the duration of the block to the stage."""
        self._before_stage()
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - began) * 1000.0
            self.milliseconds[name] = self.milliseconds.get(name, 0.0) + spent

    def header(self) -> str:
        """The value of a `Server-Timing` header (W3C Server Timing)."""
        return ", ".join(f"{name};dur={spent:.2f}" for name, spent in self.milliseconds.items())
