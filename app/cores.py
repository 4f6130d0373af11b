"""How many cores a process may use."""

import math
import os
from pathlib import Path

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def available_cores(cpu_max: Path = _CPU_MAX) -> int:
    """Cores that this process may use, at least 1.

    A container may be limited to fewer than the machine has: to some of them, or to a share of
    processor time, which Linux states in `cpu_max` (control groups, version 2). A part of a core is
    counted as a core.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = cpu_max.read_text(encoding="ascii").split()
        share = math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max": no limit
        return max(1, cores or 1)
    return max(1, min(cores or 1, share))
