"""Measures what the audit log costs per recorded event.

    python -m benchmarks.audit_cost [URL] [--events 300] [--writers 4]

URL is an empty database; by default an SQLite file in a temporary folder. *A write with an event*
is a change that is committed anyway, *an event alone* an act that only reads, such as the access
to a photo, *a queued event* a decision, of which those of several requests share a transaction.
The CPU time is that of this process, whatever else the machine does, without a database server's.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import text

from app.audit_events import AuditEvent
from app.store.audit_log import AuditLog
from app.store.audit_queue import AuditQueue
from app.store.collections import create_collection
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY
from app.vectors import EmbeddingSpace

_EVENT = AuditEvent("identify", "match", "default", "0123456789abcdef01234567")
_SPACE = EmbeddingSpace("benchmark", "sha256:benchmark", 4)
_WRITE = text("UPDATE collections SET revision = revision + 1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--events", type=int, default=300)
    parser.add_argument("--writers", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url or f"sqlite:///{Path(folder) / 'a.db'}"
        database = Database(url, busy_seconds=60.0, audited=True)
        upgrade(database)
        with database.write() as session:
            create_collection(session, "default", GALLERY, _SPACE)
        measure(database, options.events, options.writers)
        database.close()


def measure(database: Database, events: int, writers: int) -> None:
    """Prints CPU and wall time per act: of one writer, and of several at the same time."""
    queue = AuditQueue(database)

    def write(audited: bool) -> None:
        with database.write() as session:
            session.execute(_WRITE)
            if audited:
                record(session, _EVENT)

    acts: dict[str, Callable[[], object]] = {
        "a write without event": lambda: write(audited=False),
        "a write with an event": lambda: write(audited=True),
        "an event alone": lambda: database.record(_EVENT),
        "a queued event": lambda: queue.put([_EVENT]).result(),
    }
    print(f"{'':24}{'1 writer: CPU ms':>18}{'wall ms':>10}{f'{writers} writers: wall ms':>22}")
    for name, act in acts.items():
        cpu, wall = _repeat(act, events, 1)
        _, together = _repeat(act, events, writers)
        print(f"{name:24}{cpu:18.2f}{wall:10.2f}{together:22.2f}", flush=True)
    queue.close()
    began = time.process_time()
    count = AuditLog(database).verify().head.sequence
    print(f"{count} events verified in {time.process_time() - began:.2f} s of CPU")


def _repeat(act: Callable[[], object], times: int, writers: int) -> tuple[float, float]:
    """Mean CPU and wall time of an act in milliseconds, after one that is not counted."""
    act()
    with ThreadPoolExecutor(writers) as pool:
        cpu, wall = time.process_time(), time.perf_counter()
        for done in [pool.submit(act) for _ in range(times)]:
            done.result()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu * 1000.0 / times, wall * 1000.0 / times


if __name__ == "__main__":
    main()
