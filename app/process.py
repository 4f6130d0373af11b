"""Adjusts the Python runtime and the C library to a process of the service."""

import ctypes
import gc
import os
import sys
from pathlib import Path

_SWITCH_SECONDS = 0.001
_STATM = Path("/proc/self/statm")
_GROWTH = 64_000_000


def shorten_thread_switches() -> None:
    """Lets the event loop run sooner while worker threads execute Python code.

    The loop releases the interpreter lock in every system call and waits for it afterwards, with
    Python's default of 5 ms up to that long each time.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)


def exempt_from_garbage_collection() -> None:
    """Exempts all present objects from the garbage collector.

    A collection of the objects that exist after the start stops all threads for 0.1 s or longer,
    and finds no garbage among them.
    """
    gc.collect()
    gc.freeze()


class MemoryReturner:
    """Returns free memory to the operating system, on Linux with glibc.

    glibc keeps what threads have freed. `return_free` gives it back once the resident memory has
    grown by `growth` bytes since the last time, so that occasional requests do not pay for it.
    """

    def __init__(self, growth: int = _GROWTH) -> None:
        self._growth = growth
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if _STATM.exists() else None
        self._resident = _resident_bytes()

    def return_free(self) -> bool:
        """Returns whether memory was given back. Takes some milliseconds: not in the event loop."""
        resident = _resident_bytes()
        self._resident = min(self._resident, resident)
        if self._trim is None or resident < self._resident + self._growth:
            return False
        self._trim(0)
        self._resident = _resident_bytes()
        return True


def _resident_bytes() -> int:
    """The resident memory of this process; 0 where Linux's `/proc` is absent."""
    if not _STATM.exists():
        return 0
    return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
