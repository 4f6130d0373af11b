"""Vector files, read line by line: word2vec text and binary (Mikolov 2013), GloVe text, .npy.

A reader validates everything it yields and never holds more than a few lines: a file may be
larger than memory. What does not fit is refused with its line (or record, from 1).
"""

import gzip
import io
import itertools
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Literal, cast

import numpy as np

from app.errors import InvalidRequest
from app.vectors import Vector

Format = Literal["word2vec-text", "word2vec-binary", "glove-text"]
WordVectors = Iterator[tuple[str, Vector]]

LONGEST_WORD = 400  # characters; what the store's column holds
MOST_DIMENSIONS = 4096
_LONGEST_LINE = MOST_DIMENSIONS * 32 + 4 * LONGEST_WORD  # bytes
_HEADER = re.compile(rb"\s*(\d{1,10})\s+(\d{1,6})\s*")
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_GZIP = b"\x1f\x8b"
_NPY = b"\x93NUMPY"


class BrokenFile(InvalidRequest):
    """A vector file that cannot be taken; `where` says the line."""


@dataclass(frozen=True, slots=True)
class VectorFile:
    """An opened file: how long its vectors are, how many it announces, and the words with them.

    `words` yields `(word, vector)`, the vector as it stands in the file, float32; it raises
    BrokenFile at the first line that does not fit.
    """

    format: str
    dimension: int
    announced: int | None
    words: WordVectors


def open_vectors(
    stream: IO[bytes], word_list: IO[bytes] | None = None, most_bytes: int = 1 << 40
) -> VectorFile:
    """Find out what `stream` holds (gzip or not) and read it. It must be seekable.

    An `.npy` matrix takes its words from `word_list`, one a line. Raises BrokenFile, also where
    a file unpacks to more than `most_bytes`.
    """
    plain = _unzipped(stream, most_bytes)
    magic = plain.peek(len(_NPY))[: len(_NPY)]
    if magic == _NPY:
        if word_list is None:
            raise BrokenFile("words", "an .npy matrix needs its word list, one word a line")
        return _numpy_file(plain, _unzipped(word_list, most_bytes))
    if word_list is not None:
        raise BrokenFile("words", "a word list goes with an .npy matrix only")
    first = _line(plain, 1)
    header = _HEADER.fullmatch(first)
    if header is None:
        return _glove(plain, first)
    announced, dimension = int(header[1]), int(header[2])
    _check_dimension(dimension, 1)
    if _is_binary(plain, dimension):
        words = _checked(_binary_records(plain, announced, dimension), dimension)
        return VectorFile("word2vec-binary", dimension, announced, words)
    lines = _text_lines(plain, 2, dimension)
    words = _counted(_checked(lines, dimension), announced)
    return VectorFile("word2vec-text", dimension, announced, words)


def _glove(plain: io.BufferedReader, first: bytes) -> VectorFile:
    """No header: the first line says how long the vectors are."""
    dimension = len(first.split()) - 1
    _check_dimension(dimension, 1)
    again = itertools.chain([_text_record(first, 1, dimension)], _text_lines(plain, 2, dimension))
    return VectorFile("glove-text", dimension, None, _checked(again, dimension))


def _unzipped(stream: IO[bytes], most_bytes: int) -> io.BufferedReader:
    """The content; gzip is taken off, and its errors become those of the file."""
    start = stream.read(2)
    stream.seek(0)
    if start == _GZIP:
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream, mode="rb"))
    return io.BufferedReader(_Bounded(stream, most_bytes), 1 << 16)


class _Bounded(io.RawIOBase):
    """A file-like object as a raw stream that ends with an error after so many bytes."""

    def __init__(self, stream: IO[bytes], most_bytes: int) -> None:
        self._stream, self._left = stream, most_bytes

    def readable(self) -> bool:
        """For BufferedReader."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the one kind that comes
        """For BufferedReader."""
        try:
            found = self._stream.read(len(buffer))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BrokenFile("file", "the gzip data is damaged or cut short") from error
        self._left -= len(found)
        if self._left < 0:
            raise BrokenFile("file", "unpacked it is larger than what is allowed here")
        buffer[: len(found)] = found
        return len(found)


def _line(plain: io.BufferedReader, number: int) -> bytes:
    line = plain.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise BrokenFile(f"line {number}", f"it is longer than {_LONGEST_LINE:,} bytes")
    if not line and number == 1:
        raise BrokenFile("line 1", "the file is empty")
    return line


def _text_lines(
    plain: io.BufferedReader, start: int, dimension: int
) -> Iterator[tuple[str, str, Vector]]:
    for number in itertools.count(start):
        line = _line(plain, number)
        if not line:
            return
        yield _text_record(line, number, dimension)


def _text_record(line: bytes, number: int, dimension: int) -> tuple[str, str, Vector]:
    """`word v1 v2 …`; a word may hold spaces (GloVe's do), but no number behind a space."""
    where = f"line {number}"
    parts = line.rstrip().rsplit(b" ", dimension)
    if len(parts) != dimension + 1:
        raise BrokenFile(where, f"{len(parts) - 1} numbers, {dimension} are expected")
    try:
        vector = np.array(parts[1:], dtype=np.float32)
    except ValueError as error:
        raise BrokenFile(where, f"not {dimension} numbers behind a word") from error
    if b" " in parts[0] and _NUMBER.fullmatch(parts[0].rsplit(b" ", 1)[1]):
        raise BrokenFile(where, f"more than {dimension} numbers")
    return where, _decoded(parts[0], where), vector


def _is_binary(plain: io.BufferedReader, dimension: int) -> bool:
    """Whether what follows the header is not a line of text."""
    start = plain.peek(64)[: LONGEST_WORD * 4]
    line = start.split(b"\n", 1)[0].rstrip()
    numbers = line.split(b" ")[1:]
    if b"\n" not in start:
        numbers = numbers[:-1]  # the last one may be cut in two
    try:
        return not [float(number) for number in numbers[:dimension]]
    except ValueError:
        return True


def _binary_records(
    plain: io.BufferedReader, announced: int, dimension: int
) -> Iterator[tuple[str, str, Vector]]:
    size = 4 * dimension
    for number in range(1, announced + 1):
        where = f"record {number}"
        word = bytearray()
        while (byte := plain.read(1)) != b" ":
            if not byte:
                raise BrokenFile(where, f"the file ends here, {announced} words were announced")
            if byte != b"\n" or word:  # some writers end a record with a newline
                word += byte
            if len(word) > 4 * LONGEST_WORD:
                raise BrokenFile(where, f"its word is longer than {LONGEST_WORD} characters")
        raw = plain.read(size)
        if len(raw) < size:
            raise BrokenFile(where, f"the file ends here, {announced} words were announced")
        yield where, _decoded(bytes(word), where), np.frombuffer(raw, dtype="<f4")
    if plain.read(2).strip():
        raise BrokenFile(f"record {announced + 1}", f"only {announced} words were announced")


def _numpy_file(plain: io.BufferedReader, word_list: io.BufferedReader) -> VectorFile:
    try:
        version = np.lib.format.read_magic(plain)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else None
        if read is None:
            read = np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(plain)
    except (ValueError, struct.error, EOFError) as error:
        raise BrokenFile("file", "it is not a readable .npy file") from error
    if len(shape) != 2 or fortran or dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
        raise BrokenFile("file", "the .npy file must hold rows of floats, one a word")
    rows, dimension = (int(side) for side in shape)
    _check_dimension(dimension, 1)

    def records() -> Iterator[tuple[str, str, Vector]]:
        size = dtype.itemsize * dimension
        for number in range(1, rows + 1):
            where = f"line {number}"
            word = _line(word_list, number).rstrip(b"\r\n")
            raw = plain.read(size)
            if len(raw) < size or not word:
                raise BrokenFile(where, f"the matrix has {rows} rows, and not as many words")
            yield where, _decoded(word, where), np.frombuffer(raw, dtype).astype(np.float32)
        if _line(word_list, rows + 1).strip():
            raise BrokenFile(f"line {rows + 1}", f"the matrix has {rows} rows only")

    return VectorFile("npy", dimension, rows, _checked(records(), dimension))


def _checked(records: Iterator[tuple[str, str, Vector]], dimension: int) -> WordVectors:
    seen: set[str] = set()
    for where, word, vector in records:
        assert vector.shape == (dimension,), "every reader reads so many numbers"
        if not np.isfinite(vector).all():
            raise BrokenFile(where, "a number is not finite")
        if word in seen:
            raise BrokenFile(where, f"the word {word[:40]!r} was there before")
        seen.add(word)
        yield word, vector
    if not seen:
        raise BrokenFile("file", "the file holds no word")


def _counted(words: WordVectors, announced: int) -> WordVectors:
    found = 0
    for item in words:
        found += 1
        yield item
    if found != announced:
        raise BrokenFile("line 1", f"{announced} words were announced, {found} are there")


def _decoded(word: bytes, where: str) -> str:
    try:
        text = word.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenFile(where, "the word is not valid UTF-8") from error
    if not text or len(text) > LONGEST_WORD or "\0" in text:
        raise BrokenFile(where, f"a word has 1 to {LONGEST_WORD} characters and no NUL")
    return text


def _check_dimension(dimension: int, number: int) -> None:
    if not 2 <= dimension <= MOST_DIMENSIONS:
        raise BrokenFile(f"line {number}", f"vectors have 2 to {MOST_DIMENSIONS} numbers")


Writer = Callable[[int, int, WordVectors], Iterator[bytes]]
"""From how many words, how many dimensions, and the words to pieces of a file."""


def write_word2vec_text(count: int, dimension: int, words: WordVectors) -> Iterator[bytes]:
    """`count dimension`, then a word and its numbers a line."""
    yield f"{count} {dimension}\n".encode()
    for word, vector in words:
        yield f"{word} {' '.join(f'{value:.6g}' for value in vector)}\n".encode()


def write_word2vec_binary(count: int, dimension: int, words: WordVectors) -> Iterator[bytes]:
    """The header as text, then a word, a space and its little-endian float32 numbers."""
    yield f"{count} {dimension}\n".encode()
    for word, vector in words:
        yield word.encode() + b" " + np.asarray(vector, dtype="<f4").tobytes() + b"\n"


def write_projector_vectors(_count: int, _dimension: int, words: WordVectors) -> Iterator[bytes]:
    """TensorBoard's projector: the numbers of a word a line, tab-separated."""
    for _, vector in words:
        yield ("\t".join(f"{value:.6g}" for value in vector) + "\n").encode()


def write_projector_words(_count: int, _dimension: int, words: WordVectors) -> Iterator[bytes]:
    """TensorBoard's projector: the words in the same order, one a line."""
    for word, _ in words:
        yield (word.replace("\t", " ").replace("\n", " ") + "\n").encode()


WRITERS: dict[str, Writer] = {
    "word2vec-text": write_word2vec_text,
    "word2vec-binary": write_word2vec_binary,
    "projector-vectors": write_projector_vectors,
    "projector-words": write_projector_words,
}
