"""The memory that a process returns to the operating system."""

import sys
from pathlib import Path

import pytest

from app.process import MemoryReturner


def resident() -> int:
    """The resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="needs glibc")
def test_free_memory_is_returned_after_it_has_grown() -> None:
    returner = MemoryReturner(growth=50_000_000)
    returner.return_free()
    before = resident()
    blocks = [bytearray(100_000) for _ in range(1_500)]  # smaller than what glibc maps by itself
    for block in blocks:
        block[::4096] = b"x" * len(block[::4096])
    kept = blocks[::50]  # so that the heap does not end with free memory
    del blocks, block
    assert resident() > before + 100_000_000
    assert returner.return_free()
    assert resident() < before + 60_000_000
    assert not returner.return_free(), "nothing has grown since"
    assert len(kept) == 30
