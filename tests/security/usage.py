"""Measures CPU time and memory of this process, which also runs the application under test."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Usage:
    """What a block used: CPU seconds of all threads, and the growth of memory in bytes."""

    seconds: float
    memory: int


@contextmanager
def measured() -> Iterator[Usage]:
    """Yields an object that has the usage after the block (Linux)."""
    usage = Usage()
    _RESET.write_text("5")  # resets VmHWM to the present resident size
    before, began = _peak_memory(), time.process_time()
    yield usage
    usage.seconds, usage.memory = time.process_time() - began, _peak_memory() - before


def _peak_memory() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    assert found is not None
    return int(found[1]) * 1024
