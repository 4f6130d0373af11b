"""Compares `faiss:mapped` with FAISS's own inverted lists and graphs, on the same people.

python -m benchmarks.faiss_peers [--people 1000000] [--vectors FILE.npy] [--peers ivfpq hnsw]

People and probes are those of `benchmarks.ten_million`. *ivfpq* has 4-bit codes in inverted lists,
of which it searches 64, and ranks 400 candidates by vectors in half precision; *hnsw* is a graph of
32 links per person over vectors in half precision, searched with a list of 128. Both keep the
vectors in memory. Building uses all cores, searching one.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import faiss
import numpy as np
from tqdm import tqdm

from app.index.faiss.index import FaissIndex
from app.index.faiss.row_blocks import in_files
from app.vectors import Ids, Matrix, l2_normalize
from benchmarks.large_gallery import anonymous_memory
from benchmarks.report import conditions, table
from benchmarks.ten_million import K, People, Reference

_PROBED_LISTS, _CANDIDATES, _LINKS, _SEARCH_LIST = 64, 400, 32, 128
_TRAINED_ON = 40  # people per inverted list


def build_ivfpq(people: People) -> faiss.Index:
    """Inverted lists of 4-bit codes, about four times the root of the number of people."""
    lists = 1 << round(np.log2(4 * np.sqrt(people.count)))
    coarse = faiss.IndexFlatIP(people.dimension)
    codes = faiss.IndexIVFPQFastScan(
        coarse, people.dimension, lists, people.dimension // 4, 4, faiss.METRIC_INNER_PRODUCT
    )
    codes.cp.spherical = True
    wanted = _TRAINED_ON * lists
    starts = people.starts()[: -(-wanted // len(people.block(0)))]
    codes.train(np.concatenate([people.block(start) for start in starts])[:wanted])
    codes.nprobe = _PROBED_LISTS
    exact = faiss.IndexScalarQuantizer(
        people.dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    refined = faiss.IndexRefine(codes, exact)
    refined.k_factor = _CANDIDATES / K
    for start in tqdm(people.starts(), "ivfpq", mininterval=5):
        refined.add(people.block(start))
    return refined


def build_hnsw(people: People) -> faiss.Index:
    """A graph over vectors in half precision."""
    half = faiss.ScalarQuantizer.QT_fp16
    index = faiss.IndexHNSWSQ(
        people.dimension,
        half,  # type: ignore[arg-type]  # FAISS's stubs lack this signature
        _LINKS,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.train(people.block(0))
    index.hnsw.efSearch = _SEARCH_LIST
    for start in tqdm(people.starts(), "hnsw", mininterval=5):
        index.add(people.block(start))
    return index


PEERS = {"ivfpq": build_ivfpq, "hnsw": build_hnsw}


def measure(search: Callable[[Matrix], int], reference: Reference) -> tuple[float, ...]:
    """p50 and p99 in milliseconds, recall@1 and the share of probes whose person was found."""
    search(reference.probes[:1])  # warm-up
    durations, found = [], []
    for probe in reference.probes:
        began = perf_counter()
        found.append(search(probe[None]))
        durations.append((perf_counter() - began) * 1000)
    best: Ids = np.array(found, dtype=np.int64)
    return (
        *(float(value) for value in np.percentile(durations, [50, 99])),
        float((best == reference.nearest).mean()),
        float((best == reference.people).mean()),
    )


def ours(people: People, reference: Reference, folder: Path) -> tuple[object, ...]:
    """The row of `faiss:mapped`; completes the reference."""
    for start in people.starts():
        reference.compare(start, people.block(start))
    before, began = anonymous_memory(), perf_counter()
    index = FaissIndex(people.dimension, storage=in_files(folder))
    for start in tqdm(people.starts(), "faiss:mapped", mininterval=5):
        vectors = people.block(start)
        index.upsert(np.arange(start, start + len(vectors), dtype=np.int64), vectors)
    seconds, memory = perf_counter() - began, anonymous_memory() - before
    results = measure(lambda probe: index.search(probe, K)[0][0].row_id, reference)
    index.close()
    return "faiss:mapped", *results, memory, seconds


def peer(name: str, people: People, reference: Reference) -> tuple[object, ...]:
    """The row of one of FAISS's indexes."""
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    before, began = anonymous_memory(), perf_counter()
    index = PEERS[name](people)
    seconds, memory = perf_counter() - began, anonymous_memory() - before
    faiss.omp_set_num_threads(1)

    def search(probe: Matrix) -> int:
        _, rows = index.search(probe, K)
        return int(rows[0][0])

    return name, *measure(search, reference), memory, seconds


def main() -> None:
    """Measure all of them and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--vectors", type=Path, help="embeddings (n, dimension), float32, .npy")
    parser.add_argument("--probes", type=int, default=400)
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    options = parser.parse_args()
    real = None if options.vectors is None else l2_normalize(np.load(options.vectors))
    people = People(options.people, options.dimension, real)
    reference = Reference.draw(people, options.probes)
    with tempfile.TemporaryDirectory() as folder:
        rows = [ours(people, reference, Path(folder))]
    rows += [peer(name, people, reference) for name in options.peers]
    conditions(f"{people.count:,} people, {people.dimension} dimensions, k = {K}, one thread")
    columns = ("", "p50 ms", "p99", "recall@1", "person found", "GB", "build s")
    table(columns, rows)


if __name__ == "__main__":
    main()
