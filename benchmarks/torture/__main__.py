"""Stress test of the store's guarantees under concurrency and SIGKILL: `make torture`.

python -m benchmarks.torture [--seconds 60] [--clients 50] [--workers 4] [--database URL]

Part one runs a service with several workers, while clients concurrently enroll, identify, rename
and delete the same people. Part two kills a writer with SIGKILL at random moments until a thousand
enrollments were acknowledged. Prints counts; the exit status is 1 if a count that must be zero is
not zero.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.report import conditions, table
from benchmarks.torture.clients import Load, run_clients
from benchmarks.torture.writer import run_writer

_MUST_BE_ZERO = (
    "5xx",
    "lost",
    "lost updates",
    "duplicated",
    "ghosts",
    "half done",
    "index differs",
)


def main() -> None:
    """Run both parts and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument(
        "--enrollments", type=int, default=1_000, help="acknowledged enrollments of part two"
    )
    parser.add_argument("--database", help="database URL of part one; SQLite by default")
    options = parser.parse_args()
    load = Load(options.seconds, options.clients, options.workers, options.database)
    with tempfile.TemporaryDirectory() as folder:
        clients = run_clients(load, Path(folder) / "clients")
        writer = run_writer(Path(folder) / "writer", options.enrollments)
    store = "SQLite" if options.database is None else "PostgreSQL"
    conditions(
        f"{options.workers} workers, {options.clients} clients, {options.seconds:.0f} s, {store}; "
        f"then {writer['kills']} times SIGKILL"
    )
    rows = [
        (part, name, str(counts[name]))
        for part, counts, names in (
            ("clients", clients, ("requests", "enrolled", "renamed", "deleted", "found")),
            ("clients", clients, ("lost", "lost updates", "duplicated", "ghosts", "5xx")),
            ("writer", writer, ("acknowledged", "found", "lost", "half done", "index differs")),
        )
        for name in names
    ]
    table(("part", "what", "count"), rows)
    raise SystemExit(any(counts[name] for counts in (clients, writer) for name in _MUST_BE_ZERO))


if __name__ == "__main__":
    main()
