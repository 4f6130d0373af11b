"""Writes word vectors as word2vec text and binary, and for TensorBoard's embedding projector."""

from collections.abc import Callable, Iterator

import numpy as np

from app.words.formats import WordVectors

Writer = Callable[[int, int, WordVectors], Iterator[bytes]]
"""Takes the number of words, the dimension and the words; yields the pieces of the file."""


def write_word2vec_text(count: int, dimension: int, words: WordVectors) -> Iterator[bytes]:
    """A header `count dimension`, then one line per word: the word and its components."""
    yield f"{count} {dimension}\n".encode()
    for word, vector in words:
        yield f"{word} {' '.join(f'{value:.6g}' for value in vector)}\n".encode()


def write_word2vec_binary(count: int, dimension: int, words: WordVectors) -> Iterator[bytes]:
    """A text header, then per word: the word, a space and little-endian float32 components."""
    yield f"{count} {dimension}\n".encode()
    for word, vector in words:
        yield word.encode() + b" " + np.asarray(vector, dtype="<f4").tobytes() + b"\n"


def write_projector_vectors(_count: int, _dimension: int, words: WordVectors) -> Iterator[bytes]:
    """One line per word: its components, tab-separated."""
    for _, vector in words:
        yield ("\t".join(f"{value:.6g}" for value in vector) + "\n").encode()


def write_projector_words(_count: int, _dimension: int, words: WordVectors) -> Iterator[bytes]:
    """One word per line, in the order of `write_projector_vectors`."""
    for word, _ in words:
        yield (word.replace("\t", " ").replace("\n", " ") + "\n").encode()


WRITERS: dict[str, Writer] = {
    "word2vec-text": write_word2vec_text,
    "word2vec-binary": write_word2vec_binary,
    "projector-vectors": write_projector_vectors,
    "projector-words": write_projector_words,
}
