"""Exports a vocabulary in blocks; between two blocks it holds no database connection."""

from collections.abc import Iterator

from app.errors import VocabularyChanged
from app.store.collections import Collection, get_collection
from app.store.db.database import Database
from app.store.db.tables import VOCABULARY
from app.store.words import frequent_words, last_rank
from app.words.formats import WordVectors
from app.words.writers import WRITERS

_BLOCK_BYTES = 1 << 20  # of the vectors that are read at once
_PIECE_BYTES = 1 << 16


def export_vocabulary(database: Database, name: str, format_: str) -> Iterator[bytes]:
    """Pieces of about 64 KB in one of the formats in WRITERS, unit vectors by rank.

    The words are those that the vocabulary has now; each vector is the one at the time when its
    block is read. A reader may wait as long as it wants between two pieces: every block is read in
    a transaction of its own. Raises VocabularyNotFound now, and VocabularyChanged at the end if a
    word was deleted meanwhile, because the file announces more words than it has.
    """
    with database.read() as session:
        vocabulary = get_collection(session, name, VOCABULARY)
        end = last_rank(session, vocabulary)
    words = _words(database, vocabulary, end)
    return _joined(WRITERS[format_](vocabulary.size, vocabulary.space.dimension, words))


def _words(database: Database, vocabulary: Collection, end: int) -> WordVectors:
    limit = max(_BLOCK_BYTES // (4 * vocabulary.space.dimension), 1)
    rank, count = 0, 0
    while rank < end:
        with database.read() as session:
            block = frequent_words(session, vocabulary, end, rank, limit)
        if not block.texts:
            break
        rank, count = block.ranks[-1], count + len(block.texts)
        yield from zip(block.texts, block.vectors, strict=True)
    if count != vocabulary.size:
        raise VocabularyChanged(
            f"words of the vocabulary {vocabulary.name!r} were deleted during its export; "
            "export it again"
        )


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    joined = bytearray()
    for piece in pieces:
        joined += piece
        if len(joined) >= _PIECE_BYTES:
            yield bytes(joined)
            joined.clear()
    if joined:
        yield bytes(joined)
