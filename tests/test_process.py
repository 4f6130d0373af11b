"""The memory that a process returns to the operating system."""

import subprocess
import sys

import pytest

from app.settings import PROJECT

_PROGRAM = """
from pathlib import Path
from app.process import MemoryReturner

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

returner = MemoryReturner(growth=50_000_000)
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
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs glibc")
def test_free_memory_is_returned_after_it_has_grown() -> None:
    """In a process of its own: the one of the tests has free memory of other tests."""
    command = [sys.executable, "-c", _PROGRAM]
    ran = subprocess.run(command, check=False, cwd=PROJECT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
