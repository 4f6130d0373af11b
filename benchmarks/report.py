"""Measures medians and prints a benchmark's conditions and table."""

import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table

WIDTH = 120


def conditions(what: str) -> None:
    """Print what was measured, the processor and the Python version."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    print(f"{what}\n{os.cpu_count()} x {model}, Python {platform.python_version()}")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; floats with three significant digits."""
    grid = Table(*columns)
    for row in rows:
        grid.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(width=WIDTH).print(grid)


def median_ms(work: Callable[[], object], times: int = 50) -> float:
    """Median duration of one call in milliseconds, after three warm-up calls."""
    for _ in range(3):
        work()
    spent = []
    for _ in range(times):
        began = perf_counter()
        work()
        spent.append(perf_counter() - began)
    return float(np.median(spent) * 1000)
