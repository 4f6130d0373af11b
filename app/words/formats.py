"""Reads vector files: word2vec text and binary (Mikolov et al. 2013), GloVe text and .npy.

The readers stream and validate: a file may be larger than memory, and the first invalid line (or
binary record, counted from 1) is reported.
"""

import gzip
import io
import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, cast

import numpy as np

from app.vectors import Vector
from app.words.records import (
    InvalidVectorFile,
    Record,
    binary_records,
    check_dimension,
    decode_word,
    is_binary,
    read_line,
    text_lines,
    text_record,
)

WordVectors = Iterator[tuple[str, Vector]]
"""Words with their vectors, float32, in the order of the file."""

_HEADER = re.compile(rb"\s*(\d{1,10})\s+(\d{1,6})\s*")
_GZIP = b"\x1f\x8b"
_NPY = b"\x93NUMPY"


@dataclass(frozen=True, slots=True)
class VectorFile:
    """An opened vector file.

    `announced` is the number of words in its header, if it has one. `words` yields the vectors as
    stored in the file, not normalised; it raises InvalidVectorFile at the first invalid line.
    """

    format: str
    dimension: int
    announced: int | None
    words: WordVectors


def open_vectors(
    stream: IO[bytes], word_list: IO[bytes] | None = None, max_bytes: int = 1 << 40
) -> VectorFile:
    """Detect the format of a seekable stream, compressed by gzip or not, and open it.

    An `.npy` matrix requires `word_list`, a file with one word per line. Raises InvalidVectorFile,
    also for a file that decompresses to more than `max_bytes`.
    """
    plain = _decompress(stream, max_bytes)
    magic = plain.peek(len(_NPY))[: len(_NPY)]
    if magic == _NPY:
        if word_list is None:
            raise InvalidVectorFile(
                "words", "an .npy matrix requires a word list, one word per line"
            )
        return _numpy_file(plain, _decompress(word_list, max_bytes))
    if word_list is not None:
        raise InvalidVectorFile("words", "a word list is allowed for an .npy matrix only")
    first = read_line(plain, 1)
    header = _HEADER.fullmatch(first)
    if header is None:
        return _glove(plain, first)
    announced, dimension = int(header[1]), int(header[2])
    check_dimension(dimension)
    if is_binary(plain, dimension):
        words = _validated(binary_records(plain, announced, dimension), dimension)
        return VectorFile("word2vec-binary", dimension, announced, words)
    lines = text_lines(plain, 2, dimension)
    words = _counted(_validated(lines, dimension), announced)
    return VectorFile("word2vec-text", dimension, announced, words)


def _glove(plain: io.BufferedReader, first: bytes) -> VectorFile:
    """GloVe files have no header: the first line determines the dimension."""
    dimension = len(first.split()) - 1
    check_dimension(dimension)
    records = itertools.chain([text_record(first, 1, dimension)], text_lines(plain, 2, dimension))
    return VectorFile("glove-text", dimension, None, _validated(records, dimension))


def _decompress(stream: IO[bytes], max_bytes: int) -> io.BufferedReader:
    """The content without gzip compression; gzip errors become InvalidVectorFile."""
    start = stream.read(2)
    stream.seek(0)
    if start == _GZIP:
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=stream, mode="rb"))
    return io.BufferedReader(_BoundedStream(stream, max_bytes), 1 << 16)


class _BoundedStream(io.RawIOBase):
    """A raw stream that raises InvalidVectorFile after `max_bytes` bytes."""

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        self._stream, self._max_bytes, self._remaining = stream, max_bytes, max_bytes

    def readable(self) -> bool:
        """Required by BufferedReader."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # BufferedReader passes a memoryview
        """Required by BufferedReader."""
        try:
            block = self._stream.read(len(buffer))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InvalidVectorFile("file", "the gzip data is corrupt or truncated") from error
        self._remaining -= len(block)
        if self._remaining < 0:
            raise InvalidVectorFile(
                "file", f"the decompressed file is larger than {self._max_bytes:,} bytes"
            )
        buffer[: len(block)] = block
        return len(block)


def _validated(records: Iterator[Record], dimension: int) -> WordVectors:
    seen: set[str] = set()
    for record in records:
        assert record.vector.shape == (dimension,), "every reader checks the dimension"
        if not np.isfinite(record.vector).all():
            raise InvalidVectorFile(record.where, "a number is not finite")
        if record.word in seen:
            raise InvalidVectorFile(record.where, f"the word {record.word[:40]!r} is a duplicate")
        seen.add(record.word)
        yield record.word, record.vector
    if not seen:
        raise InvalidVectorFile("file", "the file contains no words")


def _counted(words: WordVectors, announced: int) -> WordVectors:
    count = 0
    for item in words:
        count += 1
        yield item
    if count != announced:
        raise InvalidVectorFile(
            "line 1", f"the header announces {announced} words, the file contains {count}"
        )


def _numpy_file(plain: io.BufferedReader, word_list: io.BufferedReader) -> VectorFile:
    try:
        version = np.lib.format.read_magic(plain)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(plain)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(plain)
    except (ValueError, struct.error, EOFError) as error:
        raise InvalidVectorFile("file", "the header of the .npy file is invalid") from error
    if len(shape) != 2 or fortran or dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
        raise InvalidVectorFile(
            "file", "the .npy file must be a C-ordered matrix of floats, one row per word"
        )
    rows, dimension = (int(side) for side in shape)
    check_dimension(dimension)

    def records() -> Iterator[Record]:
        size = dtype.itemsize * dimension
        for number in range(1, rows + 1):
            where = f"line {number}"
            word = read_line(word_list, number).rstrip(b"\r\n")
            raw = plain.read(size)
            if len(raw) < size or not word:
                raise InvalidVectorFile(where, f"expected {rows} rows and as many words, got fewer")
            vector = np.frombuffer(raw, dtype).astype(np.float32)
            yield Record(where, decode_word(word, where), vector)
        if read_line(word_list, rows + 1).strip():
            raise InvalidVectorFile(f"line {rows + 1}", f"the matrix has only {rows} rows")

    return VectorFile("npy", dimension, rows, _validated(records(), dimension))
