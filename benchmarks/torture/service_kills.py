"""Kills a service with SIGKILL amid enrollments, deletions and imports: `make torture`.

python -m benchmarks.torture.service_kills [--kills 30] [--workers 2] [--postgres]

Clients enroll people, one by one and in batches, delete people and upload vocabularies over HTTP;
another process imports archives into the same database. After a random number of acknowledged
changes, the service with all workers and the import are killed, and started again. Finally
everything is read over HTTP. Prints counts; the exit status is 1 if a count that must be zero is
not zero.
"""

import argparse
import io
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from benchmarks.report import conditions, table
from benchmarks.torture.acknowledged import Acknowledged
from benchmarks.torture.archive_importer import kill_importer, start_importer, write_archive
from benchmarks.torture.kill_clients import (
    BatchEnroller,
    Deleter,
    Enroller,
    KillClient,
    VocabularyImporter,
)
from benchmarks.torture.kill_findings import compare, index_differs
from harness.photos import find_portraits
from harness.postgres import postgres_database
from harness.servers import Server

CLIENTS: Sequence[type[KillClient]] = (
    Enroller,
    Enroller,
    BatchEnroller,
    Deleter,
    VocabularyImporter,
)
_CHANGES, _SECONDS = (2, 20), 300.0
_MUST_BE_ZERO = ("lost", "doubled", "ghosts", "half done", "index differs", "unexpected")
_COUNTED = ("enrolled", "deleted", "uploaded", "imported", "refused with 503", "found")


@dataclass(frozen=True, slots=True)
class Target:
    """The service to kill: data folder, database URL, number of workers."""

    folder: Path
    url: str
    workers: int

    @property
    def environment(self) -> dict[str, str]:
        """The settings that differ from the defaults. SQLite files are often rewritten, so that
        some kills happen meanwhile."""
        return {
            "SIMA_DATABASE_URL": self.url,
            "SIMA_DEFAULT_VOCABULARY": "",
            "SIMA_HOUSEKEEPING_SECONDS": "1",
        }


def kill_repeatedly(target: Target, kills: int) -> Counter[str]:
    """Starts and kills the service; returns the counts of changes and of differences."""
    acknowledged, photo = Acknowledged(), _small_photo()
    clients = [kind(acknowledged, photo, seed) for seed, kind in enumerate(CLIENTS)]
    archive = write_archive(target.folder / "archive")
    for _ in tqdm(range(kills), desc="kills"):
        _kill_once(target, clients, acknowledged, archive)
    with _started(target) as server:
        found = compare(server.url, acknowledged, photo)
    found["index differs"] = index_differs(target.folder, target.environment)
    return acknowledged.counts + found


def _kill_once(
    target: Target, clients: Sequence[KillClient], acknowledged: Acknowledged, archive: Path
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(_started(target))
        importer = start_importer(target.url, archive)
        stack.callback(importer.kill)
        threads = [threading.Thread(target=one.run, args=(server.url,)) for one in clients]
        for thread in threads:
            thread.start()
        _wait_for_changes(acknowledged)
        server.kill()
        imported = kill_importer(importer)
    for thread in threads:
        thread.join()
    acknowledged.count("imported", len(imported))
    acknowledged.imports.update(imported)


def _wait_for_changes(acknowledged: Acknowledged) -> None:
    """Returns amid a change after some acknowledged ones. Raises TimeoutError without them."""
    wanted = acknowledged.total + random.randint(*_CHANGES)  # noqa: S311 - no secret
    deadline = time.monotonic() + _SECONDS
    while acknowledged.total < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError("the service acknowledges no changes")
        time.sleep(0.01)
    time.sleep(random.random() * 0.1)  # noqa: S311 - no secret


@contextmanager
def _started(target: Target) -> Iterator[Server]:
    """A running service. On a machine that is busy with other work, its start takes long."""
    server = Server(target.folder, "--workers", str(target.workers), **target.environment)
    try:
        yield server.wait_until_ready(_SECONDS)
    finally:
        server.kill()


def _small_photo() -> bytes:
    """A photo of one face that is examined fast."""
    image = Image.open(io.BytesIO(find_portraits()["obama"])).convert("RGB")
    image.thumbnail((320, 320))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=92)
    return stream.getvalue()


def main() -> None:
    """Kill the service and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder / 'data' / 'sima.db'}"
        if options.postgres:
            url = stack.enter_context(postgres_database(folder / "postgres"))
        counts = kill_repeatedly(Target(folder / "data", url, options.workers), options.kills)
    store = "PostgreSQL" if options.postgres else "SQLite"
    conditions(f"{options.kills} times SIGKILL of {options.workers} workers, {store}")
    names = (*_COUNTED, "imports found", *_MUST_BE_ZERO)
    table(("what", "count"), [(name, str(counts[name])) for name in names])
    raise SystemExit(any(counts[name] for name in _MUST_BE_ZERO))


if __name__ == "__main__":
    main()
