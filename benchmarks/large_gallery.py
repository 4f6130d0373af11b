"""A gallery of up to a million templates: codes with re-ranking beside FAISS's flat scan.

python -m benchmarks.large_gallery [--sizes 10000 100000 1000000] [--dimension 512]

Templates are random unit vectors, one a person, which is the hardest gallery of its size; a probe
has a similarity of 0.55 to its person, as photos of one person have. Both indexes are asked for the
same probes in turns of 25, one thread each. Memory is what the process grew by for our index;
start-up is reading its snapshot, digest and all.
"""

import argparse
import tempfile
from pathlib import Path
from time import perf_counter

import faiss
import numpy as np

from app.index.faiss import FaissIndex
from app.vectors import Matrix, l2_normalize
from benchmarks.report import conditions, table

SIMILARITY, K, TURN = 0.55, 5, 25
_BLOCK = 50_000


def people(count: int, dimension: int) -> Matrix:
    """Random unit vectors."""
    rng = np.random.default_rng(0)
    made = np.empty((count, dimension), dtype=np.float32)
    for start in range(0, count, _BLOCK):
        some = made[start : start + _BLOCK]
        some[:] = l2_normalize(rng.standard_normal(some.shape, dtype=np.float32))
    return made


def probes_of(rows: Matrix) -> Matrix:
    """Other photos of these people."""
    noise = np.random.default_rng(2).standard_normal(rows.shape, dtype=np.float32)
    noise -= (noise * rows).sum(axis=1, keepdims=True) * rows
    return l2_normalize(SIMILARITY * rows + np.sqrt(1 - SIMILARITY**2) * l2_normalize(noise))


def resident() -> float:
    """Gigabytes of this process in memory."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096 / 1e9


def measure(size: int, dimension: int, asked: int) -> tuple[object, ...]:
    """One row of the table."""
    vectors = people(size, dimension)
    chosen = np.random.default_rng(1).integers(0, size, asked)
    probes = probes_of(vectors[chosen])
    with tempfile.TemporaryDirectory() as folder:
        snapshot = Path(folder) / "snapshot"
        before, began = resident(), perf_counter()
        index = FaissIndex(dimension, snapshot, "key")
        for start in range(0, size, _BLOCK):
            ids = np.arange(start, min(start + _BLOCK, size), dtype=np.int64)
            index.upsert(ids, vectors[start : start + _BLOCK])
        build, memory = perf_counter() - began, resident() - before
        flat = faiss.IndexFlatIP(dimension)
        flat.add(vectors)
        del vectors
        ours, theirs, hits, same = [], [], 0, 0
        for start in range(0, asked, TURN):
            found = []
            for probe in probes[start : start + TURN]:
                began = perf_counter()
                found.append(index.search(probe[None], K)[0][0].template_id)
                ours.append((perf_counter() - began) * 1000)
            faiss.omp_set_num_threads(1)
            for row, probe in enumerate(probes[start : start + TURN]):
                began = perf_counter()
                _, best = flat.search(probe[None], K)
                theirs.append((perf_counter() - began) * 1000)
                same += int(best[0][0]) == found[row]
                hits += found[row] == chosen[start + row]
        del flat
        index.revision = 1
        index.close()
        began = perf_counter()
        again = FaissIndex(dimension, snapshot, "key")
        start_up = perf_counter() - began
        if again.size() != size:
            raise RuntimeError("the snapshot is not whole")
    p50, p99 = (float(np.percentile(ours, q)) for q in (50, 99))
    exact = float(np.median(theirs))
    recall, rank_one = same / asked, hits / asked
    return f"{size:,}", p50, p99, exact, exact / p50, recall, rank_one, memory, build, start_up


def main() -> None:
    """Every size in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--probes", type=int, default=200)
    options = parser.parse_args()
    rows = [measure(size, options.dimension, options.probes) for size in options.sizes]
    conditions(f"{options.dimension} dimensions, k = {K}, {options.probes} probes, one thread")
    columns = ("templates", "p50 ms", "p99", "flat p50", "ratio", "recall@1", "rank-1")
    table((*columns, "GB", "build s", "start s"), rows)


if __name__ == "__main__":
    main()
