"""Tests vocabularies as text spaces: token lookup, weights and the cached statistics."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.errors import InvalidRequest
from app.index.faiss.index import FaissIndex
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.index_sync import IndexSync
from app.texts.sif import SifSpace, SifSpaces
from app.texts.space import Label
from app.words.editing import VocabularyEditor
from app.words.writers import write_word2vec_binary

WORDS = ["the", "blue", "whale", "sings", "music"]
VECTORS = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)


@pytest.fixture
def space(tmp_path: Path) -> Iterator[SifSpace]:
    """The space of the vocabulary `small`."""
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(database)
    pairs = list(zip(WORDS, VECTORS, strict=True))
    file = io.BytesIO(b"".join(write_word2vec_binary(5, 4, iter(pairs))))
    index_sync = IndexSync(lambda _collection: FaissIndex(4))
    VocabularyEditor(database, index_sync, 1 << 20).create("small", file, None)
    yield SifSpaces(database).open("small")
    database.close()


def test_an_unknown_compound_is_replaced_by_its_known_parts(space: SifSpace) -> None:
    [text] = space.texts(["The blue-whale hums"])
    assert text.tokens == ("The", "blue", "whale")
    assert text.unknown == ("hums",)
    assert text.vectors.shape == (3, 4)


def test_rare_words_have_higher_weights(space: SifSpace) -> None:
    [text] = space.texts(["the whale sings"])
    assert list(text.weights) == sorted(text.weights)
    assert text.weights[0] < text.weights[-1]


def test_attributes_of_a_label_are_weighted_by_strength(space: SifSpace) -> None:
    full, half, absent = space.labels(
        [Label("whale", attributes={"music": strength}) for strength in (1.0, 0.5, 0.0)]
    )
    assert full.tokens == half.tokens == ("whale", "music")
    assert half.weights[1] == pytest.approx(full.weights[1] / 2)
    assert absent.tokens == ("whale",)


def test_a_text_of_unknown_words_is_empty(space: SifSpace) -> None:
    [text] = space.texts(["hums loudly"])
    assert len(text) == 0
    assert text.unknown == ("hums", "loudly")
    assert not text.mean().any()


def test_a_raw_vector_must_have_the_dimension_of_the_vocabulary(space: SifSpace) -> None:
    assert space.raw([1.0, 0.0, 0.0, 0.0]).vectors.shape == (1, 4)
    with pytest.raises(InvalidRequest, match="vector has 1 component; the vocabulary 'small' has"):
        space.raw([1.0])
