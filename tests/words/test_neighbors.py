"""Tests neighbor searches in a small vocabulary against a computation in NumPy."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.index.faiss.index import FaissIndex
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.index_sync import IndexSync
from app.vectors import l2_normalize
from app.words.analogies import Query, Term, cos_mul
from app.words.editing import VocabularyEditor
from app.words.neighbors import Filters
from app.words.vocabularies import VocabularyService
from app.words.writers import write_word2vec_binary

WORDS = [f"w{number}" for number in range(60)]
VECTORS = l2_normalize(np.random.default_rng(5).normal(size=(60, 6)))
POSITIVE, NEGATIVE = (1, 2), 3


@pytest.fixture
def service(tmp_path: Path) -> Iterator[VocabularyService]:
    """A service with the vocabulary `small`."""
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(database)
    index_sync = IndexSync(lambda _collection: FaissIndex(6))
    pairs = zip(WORDS, VECTORS, strict=True)
    file = io.BytesIO(b"".join(write_word2vec_binary(60, 6, iter(list(pairs)))))
    VocabularyEditor(database, index_sync, 1 << 20).create("small", file, None)
    yield VocabularyService(database, index_sync)
    database.close()


@pytest.mark.parametrize(
    "filters",
    [Filters(5), Filters(5, max_rank=50), Filters(5, within=tuple(WORDS[:50]))],
    ids=["index", "max_rank", "within"],
)
def test_cos_mul_ranks_words_from_every_source(
    service: VocabularyService, filters: Filters
) -> None:
    query = Query(VECTORS[[*POSITIVE, NEGATIVE]], np.array([1, 1, -1], dtype=np.float32))
    scores = cos_mul(query, VECTORS)
    searched = 60 if filters == Filters(5) else 50
    answers = [row for row in np.argsort(-scores) if row not in (*POSITIVE, NEGATIVE)]
    expected = [row for row in answers if row < searched][:5]
    positive = [Term(WORDS[row]) for row in POSITIVE]
    found = service.nearest(positive, [Term(WORDS[NEGATIVE])], "3cosmul", filters, "small")
    assert [neighbor.word for neighbor in found.neighbors] == [WORDS[row] for row in expected]
    assert [neighbor.score for neighbor in found.neighbors] == pytest.approx(scores[expected])


def test_spellings_of_the_query_are_not_returned(service: VocabularyService) -> None:
    found = service.nearest([Term("w7")], [], "3cosadd", Filters(60), "small")
    assert len(found.neighbors) == 59
    assert "w7" not in [neighbor.word for neighbor in found.neighbors]
