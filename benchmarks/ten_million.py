"""Measures `faiss:mapped` with ten million people: search, memory, start, and changes in service.

python -m benchmarks.ten_million [--people 10000000] [--vectors FILE.npy] [--folder FOLDER]

People are random unit vectors, or, with `--vectors`, embeddings (n, dimension) and blends of two of
them. A probe has a similarity of 0.5 to its person. The nearest person by exact comparison in
single precision is the reference. Needs 5 GB of disk for the vectors and 6 GB for the snapshot, in
`--folder`; searches are slower where the system cannot cache the former.

Then one thread searches without a pause, and another one enrolls a person every 20 ms, with the
same lock and settings of the interpreter as in the service, in four phases: only that; while a
snapshot is written; while 24 % of the people are deleted in steps of a thousand; while 2 % more are
deleted, which makes the index train and compute all codes anew. The longest duration of a search
and of an enrollment, with its wait for the lock, is the pause.
"""

import argparse
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep

import faiss
import numpy as np
from readerwriterlock.rwlock import RWLockFair
from tqdm import tqdm

from app.index.faiss.index import FaissIndex
from app.index.faiss.row_blocks import in_files
from app.process import exempt_from_garbage_collection, shorten_thread_switches
from app.vectors import Ids, Matrix, Vector, l2_normalize
from benchmarks.large_gallery import anonymous_memory
from benchmarks.report import conditions, table

SIMILARITY, K = 0.5, 5
_BLOCK = 50_000
_PROBED = 10  # blocks with probes
_ENROLL_EVERY = 0.02  # seconds
_DELETED_AT_ONCE = 1_000
_STEADY = 10.0  # seconds


class People:
    """Unit vectors of numbered people, computed by blocks, since all of them take 10 GB."""

    def __init__(self, count: int, dimension: int, real: Matrix | None) -> None:
        self.count, self._real = count, real
        self.dimension = dimension if real is None else real.shape[1]

    def starts(self) -> range:
        """The first number of each block."""
        return range(0, self.count, _BLOCK)

    def block(self, start: int) -> Matrix:
        """The vectors of the block that starts with this number."""
        rng, rows = np.random.default_rng(start), min(_BLOCK, self.count - start)
        if self._real is None:
            return l2_normalize(rng.standard_normal((rows, self.dimension), dtype=np.float32))
        one, other = (self._real[rng.integers(0, len(self._real), rows)] for _ in range(2))
        share = rng.uniform(0.2, 0.8, (rows, 1)).astype(np.float32)
        return l2_normalize(share * one + (1 - share) * other)


@dataclass(slots=True)
class Reference:
    """Probes of people in some of the blocks, and the nearest person to each found so far."""

    people: Ids
    probes: Matrix
    nearest: Ids
    similarity: Vector

    @classmethod
    def draw(cls, people: People, count: int) -> "Reference":
        """Make as many probes in each of _PROBED random blocks."""
        rng = np.random.default_rng(1)
        starts = rng.permutation(people.starts())[:_PROBED]
        chosen, probes = [], []
        for start in starts:
            vectors = people.block(start)
            rows = rng.choice(len(vectors), count // len(starts), replace=False)
            chosen.append(start + rows)
            probes.append(_probes_of(vectors[rows], rng))
        made = sum(len(one) for one in chosen)
        lowest = np.full(made, -2, dtype=np.float32)
        return cls(np.concatenate(chosen), np.concatenate(probes), np.full(made, -1), lowest)

    def compare(self, start: int, vectors: Matrix) -> None:
        """Compare all probes with a block."""
        dots = self.probes @ vectors.T
        best = dots.argmax(axis=1)
        similarity = dots[np.arange(len(dots)), best]
        better = similarity > self.similarity
        self.nearest[better] = start + best[better]
        self.similarity[better] = similarity[better]


def _probes_of(rows: Matrix, rng: np.random.Generator) -> Matrix:
    """One probe per row, with a cosine of SIMILARITY to it."""
    noise = rng.standard_normal(rows.shape, dtype=np.float32)
    noise = l2_normalize(noise - (noise * rows).sum(axis=1, keepdims=True) * rows)
    return l2_normalize(SIMILARITY * rows + np.sqrt(1 - SIMILARITY**2) * noise)


@dataclass(slots=True)
class Phase:
    """Durations of searches and enrollments while something else went on, in milliseconds."""

    name: str
    seconds: float = 0.0
    searches: list[float] = field(default_factory=list)
    enrollments: list[float] = field(default_factory=list)

    def row(self) -> tuple[object, ...]:
        """The cells of the table."""
        cells: list[object] = [self.name, self.seconds]
        for found in (self.searches, self.enrollments):
            cells += [len(found), *np.percentile(found, [50, 99]), max(found)]
        return tuple(cells)


class Serving:
    """An index that one thread searches and another one adds people to, with the service's lock."""

    def __init__(self, index: FaissIndex, probes: Matrix, first_id: int) -> None:
        self.index, self.lock = index, RWLockFair()
        self._probes, self._next_id = probes, first_id

    def during(self, name: str, work: Callable[[], None]) -> Phase:
        """Search and enroll until `work` has ended."""
        phase, ended = Phase(name), threading.Event()
        threads = [
            threading.Thread(target=loop, args=(phase, ended))
            for loop in (self._search, self._enroll)
        ]
        began = perf_counter()
        for thread in threads:
            thread.start()
        work()
        phase.seconds = perf_counter() - began
        ended.set()
        for thread in threads:
            thread.join()
        return phase

    def delete(self, ids: Ids) -> None:
        """Delete people in small steps."""
        for start in range(0, len(ids), _DELETED_AT_ONCE):
            with self.lock.gen_wlock():
                self.index.delete(ids[start : start + _DELETED_AT_ONCE])
            sleep(0.001)

    def rebuild(self, ids: Ids) -> None:
        """Delete people, and wait for the codes that the deletion of so many made necessary."""
        self.delete(ids)
        while self.index.rebuilding:
            sleep(0.1)

    def write_snapshot(self) -> None:
        """Write a snapshot as the service does."""
        with self.lock.gen_wlock():
            self.index.revision += 1
            self.index.flush()
        self.index.wait_until_flushed()

    def _search(self, phase: Phase, ended: threading.Event) -> None:
        number = 0
        while not ended.is_set():
            probe = self._probes[number % len(self._probes)][None]
            began = perf_counter()
            with self.lock.gen_rlock():
                self.index.search(probe, K)
            phase.searches.append((perf_counter() - began) * 1000)
            number += 1

    def _enroll(self, phase: Phase, ended: threading.Event) -> None:
        rng = np.random.default_rng(self._next_id)
        while not ended.wait(_ENROLL_EVERY):
            vector = l2_normalize(rng.standard_normal((1, self._probes.shape[1])))
            began = perf_counter()
            with self.lock.gen_wlock():
                self.index.upsert(np.array([self._next_id], dtype=np.int64), vector)
            phase.enrollments.append((perf_counter() - began) * 1000)
            self._next_id += 1


def build(index: FaissIndex, people: People, reference: Reference) -> float:
    """Fill the index and complete the reference; the seconds that the index took."""
    seconds = 0.0
    for start in tqdm(people.starts(), "people", mininterval=5):
        vectors = people.block(start)
        reference.compare(start, vectors)
        began = perf_counter()
        index.upsert(np.arange(start, start + len(vectors), dtype=np.int64), vectors)
        seconds += perf_counter() - began
    index.revision = 1
    return seconds


def search(index: FaissIndex, reference: Reference) -> tuple[object, ...]:
    """p50 and p99 of a search in milliseconds, recall@1, and the share whose person was found."""
    index.search(reference.probes[:1], K)  # warm-up
    durations, found = [], []
    for probe in reference.probes:
        began = perf_counter()
        found.append(index.search(probe[None], K)[0][0].row_id)
        durations.append((perf_counter() - began) * 1000)
    p50, p99 = np.percentile(durations, [50, 99])
    recall = float((np.array(found) == reference.nearest).mean())
    return p50, p99, recall, float((np.array(found) == reference.people).mean())


def main() -> None:
    """Measure one gallery and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000_000)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--vectors", type=Path, help="embeddings (n, dimension), float32, .npy")
    parser.add_argument("--probes", type=int, default=400)
    parser.add_argument("--folder", type=Path, help="where the index has its files")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    real = None if options.vectors is None else l2_normalize(np.load(options.vectors))
    people = People(options.people, options.dimension, real)
    reference = Reference.draw(people, options.probes)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)

        def opened() -> FaissIndex:
            file = folder / "snapshot"
            return FaissIndex(people.dimension, file, "key", storage=in_files(folder))

        before, index = anonymous_memory(), opened()
        seconds = build(index, people, reference)
        built = anonymous_memory() - before
        results = search(index, reference)
        index.close()
        size = (folder / "snapshot").stat().st_size / 1e9
        before, began = anonymous_memory(), perf_counter()
        index = opened()
        start = perf_counter() - began
        if index.size() != people.count:
            raise RuntimeError("the reopened index lost rows")
        again, memory = search(index, reference), anonymous_memory() - before
        conditions(f"{people.count:,} people, {people.dimension} dimensions, k = {K}, one thread")
        state = ("", "p50 ms", "p99", "recall@1", "person found", "GB", "seconds")
        table(state, [("built", *results, built, seconds), ("opened", *again, memory, start)])
        print(f"snapshot: {size:.1f} GB\n")
        shorten_thread_switches()
        exempt_from_garbage_collection()
        serving = Serving(index, reference.probes, people.count)
        order = np.random.default_rng(2).permutation(people.count)
        gone, last = np.split(order, [int(0.24 * people.count), int(0.26 * people.count)])[:2]
        phases = [
            serving.during("nothing else", lambda: sleep(_STEADY)),
            serving.during("snapshot written", serving.write_snapshot),
            serving.during("24 % deleted", lambda: serving.delete(gone)),
            serving.during("codes rebuilt", lambda: serving.rebuild(last)),
        ]
        columns = ("meanwhile", "s", "searches", "p50 ms", "p99", "longest")
        table((*columns, "enrollments", "p50", "p99", "longest"), [one.row() for one in phases])
        print(f"memory at the end: {anonymous_memory():.2f} GB in this process")
        index.close()


if __name__ == "__main__":
    main()
