"""Compares FAISS with exact NumPy search by gallery size, and measures word search.

python -m benchmarks.search [--sizes 1000 10000 100000]
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import faiss
import numpy as np

from app.commands.setup import ensure_schema, ensure_vocabulary
from app.index.exact import ExactIndex
from app.index.faiss.index import FaissIndex
from app.settings import Settings
from app.vectors import l2_normalize
from app.wiring.services import open_store
from app.words.analogies import Term
from app.words.neighbors import Filters
from app.words.vocabularies import VocabularyService
from benchmarks.report import conditions, median_ms, table

DIMENSION, K = 256, 5


def galleries(sizes: list[int]) -> None:
    """Print medians for one probe against random unit vectors, one thread."""
    rows = []
    for size in sizes:
        rng = np.random.default_rng(0)
        vectors = l2_normalize(rng.standard_normal((size, DIMENSION), dtype=np.float32))
        ids = np.arange(size, dtype=np.int64)
        probe = vectors[:1]
        served, oracle = FaissIndex(DIMENSION), ExactIndex(DIMENSION)
        served.upsert(ids, vectors)
        oracle.upsert(ids, vectors)
        a = median_ms(partial(served.search, probe, K))
        b = median_ms(partial(oracle.search, probe, K), times=10)
        rows.append((f"{size:,}", a, b, b / a))
    conditions(f"one probe, {DIMENSION} dimensions, k = {K}, one thread")
    table(("people", "FAISS ms", "NumPy ms", "ratio"), rows)


def words() -> None:
    """Print medians of the word service (database, index, join) without HTTP."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder))
        ensure_schema(settings)
        ensure_vocabulary(settings)
        database, projection = open_store(settings)
        service = VocabularyService(database, projection)
        name, filters = settings.default_vocabulary, Filters(10)

        def nearest() -> None:
            service.nearest([Term("orange")], [], "3cosadd", filters, name)

        def analogy() -> None:
            terms = [Term("king"), Term("woman")]
            service.nearest(terms, [Term("man")], "3cosadd", filters, name)

        rows = [("nearest", median_ms(nearest)), ("king - man + woman", median_ms(analogy))]
        conditions("400,000 words, 50 dimensions, k = 10, one thread")
        table(("request", "ms without HTTP"), rows)
        database.close()


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    sizes = parser.parse_args().sizes
    faiss.omp_set_num_threads(1)
    galleries(sizes)
    words()


if __name__ == "__main__":
    main()
