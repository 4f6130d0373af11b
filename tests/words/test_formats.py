"""Tests that the readers accept what the writers write and report invalid files by line."""

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.words.formats import VectorFile, open_vectors
from app.words.records import InvalidVectorFile
from app.words.writers import (
    write_projector_vectors,
    write_projector_words,
    write_word2vec_binary,
    write_word2vec_text,
)

WORDS = ["the", "naïve", "سیب", ". . .", "new york"]
VECTORS = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)


def pairs() -> list[tuple[str, np.ndarray]]:
    return list(zip(WORDS, VECTORS, strict=True))


def text_file() -> bytes:
    return b"".join(write_word2vec_text(5, 7, iter(pairs())))


def read(content: bytes, **more: Any) -> tuple[VectorFile, list[str], np.ndarray]:
    found = open_vectors(io.BytesIO(content), **more)
    words, rows = zip(*found.words, strict=True)
    return found, list(words), np.stack(rows)


def refused(content: bytes, **more: Any) -> tuple[str, str]:
    """The field `where` and the message of the error."""
    with pytest.raises(InvalidVectorFile) as caught:
        read(content, **more)
    return caught.value.where, str(caught.value)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kind", ["word2vec-text", "glove-text", "npy"])
def test_text_and_npy_files_are_read_with_and_without_gzip(kind: str, zipped: bool) -> None:
    more = {}
    if kind == "npy":
        stream = io.BytesIO()
        np.save(stream, VECTORS.astype(np.float64))
        content = stream.getvalue()
        more = {"word_list": io.BytesIO("\n".join(WORDS).encode())}
    else:
        content = text_file()
        if kind == "glove-text":
            content = content.split(b"\n", 1)[1]
    found, words, rows = read(gzip.compress(content) if zipped else content, **more)
    assert (found.format, found.dimension, words) == (kind, 7, WORDS)
    assert np.abs(rows - VECTORS).max() < 1e-5


@pytest.mark.parametrize("newlines", [True, False])
def test_word2vec_binary_is_exact(newlines: bool) -> None:
    words = [(word.replace(" ", "_"), vector) for word, vector in pairs()]
    content = b"".join(write_word2vec_binary(5, 7, iter(words)))
    if not newlines:
        head = b"5 7\n"
        content = head + b"".join(w.encode() + b" " + v.tobytes() for w, v in words)
    found, read_words, rows = read(content)
    assert found.format == "word2vec-binary"
    assert read_words == [word for word, _ in words]
    assert np.array_equal(rows, VECTORS)


def test_gensim_text_files_are_read() -> None:
    """No newline at the end, several spaces in the header."""
    assert read(b"2  3 \nking 1 2 3\nqueen 4 5 6")[1] == ["king", "queen"]


def test_the_projector_files_have_one_line_per_word() -> None:
    vectors = b"".join(write_projector_vectors(5, 7, iter(pairs()))).decode().splitlines()
    words = b"".join(write_projector_words(5, 7, iter(pairs()))).decode().splitlines()
    assert words == WORDS
    assert [len(line.split("\t")) for line in vectors] == [7] * 5


@pytest.mark.parametrize(
    ("content", "where", "message"),
    [
        (b"", "line 1", "empty"),
        (b"3 2\na 1 2\nb 1 2\n", "line 1", "announces 3 words, the file contains 2"),
        (b"2 2\na 1 2\nb 1 2 3\n", "line 3", "2 numbers after the word, got more"),
        (b"2 2\na 1 2\nb 1\n", "line 3", "expected 2 numbers after the word, got 1"),
        (b"2 2\na 1 2\nb 1 nan\n", "line 3", "not finite"),
        (b"2 2\na 1 2\nb 1 inf\n", "line 3", "not finite"),
        (b"2 2\na 1 2\na 3 4\n", "line 3", "is a duplicate"),
        (b"2 2\na 1 2\n\xff\xfe 3 4\n", "line 3", "UTF-8"),
        (b"a 1 2\nb 1 x\n", "line 2", "expected 2 numbers"),
        (b"a 1 2\n\nb 1 2\n", "line 2", "got 0"),
        (b"1 2\n" + b"a" * 401 + b" 1 2\n", "line 2", "1 to 400 characters"),
        (b"a " + b"1 " * 5000 + b"\n", "line 1", "2 to 4096"),
        (b"9 99999\n", "line 1", "2 to 4096"),
        (b"1 2\n 1 2\n", "line 2", "1 to 400 characters"),
        (b"2 3\n</s> " + b"\0" * 12 + b"\nb \0\0", "record 2", "ends before the 2 words"),
        (b"2 3\n</s> " + b"\0" * 12, "record 2", "ends before the 2 words"),
        (b"1 3\n</s> " + b"\0" * 12 + b"\nextra " + b"\0" * 12, "record 2", "announces (1)"),
        (b"\x93NUMPY\x01\x00", "words", "word list"),
        (gzip.compress(text_file(), mtime=0)[:40], "file", "gzip"),
        (b"\x1f\x8b\x08 nothing", "file", "gzip"),
    ],
)
def test_an_invalid_file_is_reported_with_its_line(
    content: bytes, where: str, message: str
) -> None:
    found_where, found_message = refused(content)
    assert found_where == where
    assert message in found_message


def test_a_line_of_one_gigabyte_is_not_read_to_its_end(tmp_path: Path) -> None:
    endless = tmp_path / "endless.txt"
    with endless.open("wb") as stream:
        stream.write(b"2 2\na 1 2\n")
        stream.truncate(1 << 30)  # sparse: zeros without a newline
    with (
        endless.open("rb") as stream,
        pytest.raises(InvalidVectorFile, match="longer than") as caught,
    ):
        list(open_vectors(stream).words)
    assert caught.value.where == "line 3"


def test_a_gzip_bomb_is_refused() -> None:
    lines = b"".join(f"w{n} 0 0\n".encode() for n in range(200_000))
    bomb = gzip.compress(lines)
    where, message = refused(bomb, max_bytes=1_000_000)
    assert (where, message) == ("file", "the decompressed file is larger than 1,000,000 bytes")


@pytest.mark.parametrize(
    ("matrix", "words", "where"),
    [
        (np.zeros((2, 3)), b"a\n", "line 2"),
        (np.zeros((2, 3)), b"a\nb\nc\n", "line 3"),
        (np.zeros((2, 3), dtype=np.int64), b"a\nb\n", "file"),
        (np.zeros(3), b"a\n", "file"),
        (np.array([[1.0, np.nan]]), b"a\n", "line 1"),
        (np.array([[object()]]), b"a\n", "file"),
    ],
)
def test_a_matrix_that_does_not_match_its_word_list_is_refused(
    matrix: np.ndarray, words: bytes, where: str
) -> None:
    stream = io.BytesIO()
    np.save(stream, matrix, allow_pickle=True)
    assert refused(stream.getvalue(), word_list=io.BytesIO(words))[0] == where
