"""Compares nearest words over HTTP with gensim's `most_similar` on the same vectors.

python -m benchmarks.nearest_words [--sizes 400000x50 1000000x100] [--words 200]

The service runs in its own process; the measured time is `search` in its Server-Timing header
(vocabulary, index, and reading the words from the database). Both sides answer the same words in
turns of 25, with warm caches. The vectors are synthetic and clustered, as real word vectors are.
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import httpx2
import numpy as np
from gensim.models import KeyedVectors
from tqdm import tqdm

from app.commands.setup import ensure_schema
from app.settings import Settings
from app.store.collections import create_collection
from app.store.db.tables import VOCABULARY
from app.store.word_import import import_words
from app.vectors import EmbeddingSpace, Matrix, Vector, l2_normalize
from app.wiring.services import open_store
from benchmarks.report import conditions, table
from harness.servers import running

_K, _GROUP, _BLOCK = 10, 20, 50_000
_TURN = 25  # words that one side answers before the other continues
_NAME = "synthetic"


def make_vectors(words: int, dimension: int) -> Matrix:
    """Unit vectors around random centres, about twenty words for each centre."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((words // _GROUP, dimension), dtype=np.float32)
    made = np.empty((words, dimension), dtype=np.float32)
    for start in range(0, words, _BLOCK):
        some = made[start : start + _BLOCK]
        noise = rng.standard_normal(some.shape, dtype=np.float32)
        some[:] = l2_normalize(centres[rng.integers(0, len(centres), len(some))] + noise)
    return made


def store(data: Path, vectors: Matrix) -> None:
    """Import the vectors as a vocabulary into an embedded store."""
    settings = Settings(_env_file=None, data_dir=data, default_vocabulary="")
    ensure_schema(settings)
    database, _ = open_store(settings)

    def words() -> Iterator[tuple[str, Vector]]:
        yield from ((f"w{row}", vector) for row, vector in enumerate(vectors))

    with database.write() as session, tqdm(desc="import", total=len(vectors), mininterval=1) as bar:

        def advance(done: int) -> None:
            bar.update(done)

        space = EmbeddingSpace(_NAME, "synthetic", vectors.shape[1])
        collection = create_collection(session, _NAME, VOCABULARY, space)
        import_words(session, collection, words(), advance)
    database.close()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Milliseconds of each query for the service and for gensim, and the share of equal results."""

    ours: list[float]
    theirs: list[float]
    equal: float


def measure(vectors: Matrix, queries: list[str]) -> Comparison:
    """Query the service and gensim for the nearest words, in turns."""
    theirs = KeyedVectors(vectors.shape[1])
    theirs.add_vectors([f"w{row}" for row in range(len(vectors))], vectors)
    theirs.fill_norms()
    ours_ms, theirs_ms, same = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        store(Path(folder), vectors)
        with running(Path(folder)) as server, httpx2.Client(base_url=server.url) as client:
            client.get(f"/words/{queries[0]}/nearest", params={"vocabulary": _NAME})
            for start in range(0, len(queries), _TURN):
                turn = queries[start : start + _TURN]
                found: dict[str, set[str]] = {}
                for word in turn:
                    answer = client.get(
                        f"/words/{word}/nearest", params={"vocabulary": _NAME, "k": _K}
                    ).raise_for_status()
                    ours_ms.append(_search_ms(answer.headers["Server-Timing"]))
                    found[word] = {neighbor["word"] for neighbor in answer.json()["neighbors"]}
                for word in turn:
                    began = perf_counter()
                    expected = theirs.most_similar(word, topn=_K)
                    theirs_ms.append((perf_counter() - began) * 1000)
                    same += len(found[word] & {text for text, _ in expected})
    return Comparison(ours_ms, theirs_ms, same / (_K * len(queries)))


def _search_ms(header: str) -> float:
    parts = dict(part.split(";dur=") for part in header.split(", "))
    return float(parts["search"])


def main() -> None:
    """Print medians over the queried words."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["400000x50", "1000000x100"])
    parser.add_argument("--words", type=int, default=200)
    options = parser.parse_args()
    rows = []
    for size in options.sizes:
        words, dimension = (int(number) for number in size.split("x"))
        vectors = make_vectors(words, dimension)
        picked = np.random.default_rng(1).integers(0, words, options.words)
        found = measure(vectors, [f"w{row}" for row in picked])
        a, b = float(np.median(found.ours)), float(np.median(found.theirs))
        rows.append((size, a, float(np.percentile(found.ours, 99)), b, b / a, found.equal))
    conditions(f"k = {_K}, {options.words} words queried one after the other")
    columns = ("words", "sima p50 ms", "p99", "gensim p50 ms", "speedup", "equal results")
    table(columns, rows)


if __name__ == "__main__":
    main()
