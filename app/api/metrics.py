"""Prometheus metrics, added up over all worker processes of a service."""

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which workers share their metrics. `prometheus_client` reads it, too."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one process, and those of all workers where FOLDER_VARIABLE is set."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sima_requests",
            "Responses by method, route and status",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "sima_request_seconds",
            "Duration of requests by method and route",
            ["method", "route"],
            registry=self.registry,
        )
        self.stages = Histogram(
            "sima_stage_seconds",
            "Duration of the stages of a request",
            ["stage"],
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "sima_requests_in_progress",
            "Requests whose response is not complete",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.waiting = Gauge(
            "sima_queue_length",
            "Requests that wait for a worker thread",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._decisions = Counter(
            "sima_decisions",
            "Decisions about faces: match, no_match, unknown, ambiguous, enrolled, replayed",
            ["operation", "decision"],
            registry=self.registry,
        )
        self._entries = Gauge(
            "sima_entries",
            "People and words by kind of collection",
            ["kind"],
            registry=self.registry,
            multiprocess_mode="livemostrecent",
        )
        self._pending = Gauge(
            "sima_index_pending_changes",
            "Changes in the database that the indexes of a worker apply before the next search; "
            "the largest number of all workers",
            registry=self.registry,
            multiprocess_mode="livemax",
        )

        self._events = Counter(
            "sima_events",
            "Events by outcome: delivered, failed (and sent again), refused, dropped",
            ["outcome"],
            registry=self.registry,
        )
        self._waiting_events = Gauge(
            "sima_events_waiting",
            "Events that wait for the receiver",
            registry=self.registry,
            multiprocess_mode="livemostrecent",
        )

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts a request whose response has ended."""
        method = method if method in _METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)

    def count_stages(self, milliseconds: Mapping[str, float]) -> None:
        """Counts the durations of the stages of a request."""
        for stage, duration in milliseconds.items():
            self.stages.labels(stage).observe(duration / 1000.0)

    def count_decisions(self, operation: str, decisions: Iterable[str]) -> None:
        """Counts the decisions of `identify`, `verify` or `enroll`."""
        for decision in decisions:
            self._decisions.labels(operation, decision).inc()

    def set_store(self, entries: Mapping[str, int], pending: int) -> None:
        """Sets the numbers of entries by kind of collection, and of pending index changes."""
        for kind, number in entries.items():
            self._entries.labels(kind).set(number)
        self._pending.set(pending)

    def set_events(self, waiting: int, outcomes: Mapping[str, int]) -> None:
        """Sets the number of waiting events, and counts what became of others."""
        self._waiting_events.set(waiting)
        for outcome, number in outcomes.items():
            self._events.labels(outcome).inc(number)

    def export(self) -> bytes:
        """The metrics in the text format of Prometheus, of all workers that share a folder."""
        folder = os.environ.get(FOLDER_VARIABLE)
        if folder is None:
            return generate_latest(self.registry)
        _forget_dead_workers(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]  # the library has no types
        return generate_latest(registry)


def _forget_dead_workers(folder: Path) -> None:
    """Deletes the gauges of workers that have ended; their counters remain."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdecimal() and not is_running(int(pid)):
            with suppress(FileNotFoundError):  # another worker deleted it
                mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]  # the library has no types


def is_running(pid: int) -> bool:
    """Whether a process with this id exists. True on Windows, where there is no harmless signal."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
