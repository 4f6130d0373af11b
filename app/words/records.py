"""Parses and validates the text lines and binary records of vector files."""

import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.errors import InvalidRequest
from app.vectors import Vector

MAX_WORD_LENGTH = 400  # characters; the width of the column in the store
MAX_DIMENSION = 4096
_MAX_LINE_BYTES = MAX_DIMENSION * 32 + 4 * MAX_WORD_LENGTH
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


class InvalidVectorFile(InvalidRequest):
    """A vector file that cannot be read; `where` is the line or record."""


@dataclass(frozen=True, slots=True)
class Record:
    """One parsed word; `where` is its line or record in the file, for errors."""

    where: str
    word: str
    vector: Vector


def read_line(plain: io.BufferedReader, number: int) -> bytes:
    """The next line; empty at the end of the file. `number` counts from 1, for errors."""
    line = plain.readline(_MAX_LINE_BYTES + 1)
    if len(line) > _MAX_LINE_BYTES:
        raise InvalidVectorFile(
            f"line {number}", f"the line is longer than {_MAX_LINE_BYTES:,} bytes"
        )
    if not line and number == 1:
        raise InvalidVectorFile("line 1", "the file is empty")
    return line


def text_lines(plain: io.BufferedReader, start: int, dimension: int) -> Iterator[Record]:
    """The records of all remaining lines; the first of them has the number `start`."""
    for number in itertools.count(start):
        line = read_line(plain, number)
        if not line:
            return
        yield text_record(line, number, dimension)


def text_record(line: bytes, number: int, dimension: int) -> Record:
    """Parse `word v1 v2 …`. A word may contain spaces, as in GloVe, but not a number after one."""
    where = f"line {number}"
    parts = line.rstrip().rsplit(b" ", dimension)
    if len(parts) != dimension + 1:
        raise InvalidVectorFile(
            where, f"expected {dimension} numbers after the word, got {len(parts) - 1}"
        )
    try:
        vector = np.array(parts[1:], dtype=np.float32)
    except ValueError as error:
        raise InvalidVectorFile(where, f"expected {dimension} numbers after the word") from error
    if b" " in parts[0] and _NUMBER.fullmatch(parts[0].rsplit(b" ", 1)[1]):
        raise InvalidVectorFile(where, f"expected {dimension} numbers after the word, got more")
    return Record(where, decode_word(parts[0], where), vector)


def is_binary(plain: io.BufferedReader, dimension: int) -> bool:
    """Whether the data after the header is not a line of text."""
    start = plain.peek(64)[: MAX_WORD_LENGTH * 4]
    line = start.split(b"\n", 1)[0].rstrip()
    numbers = line.split(b" ")[1:]
    if b"\n" not in start:
        numbers = numbers[:-1]  # the last one may be truncated
    try:
        return not [float(number) for number in numbers[:dimension]]
    except ValueError:
        return True


def binary_records(plain: io.BufferedReader, announced: int, dimension: int) -> Iterator[Record]:
    """The `announced` records of a word2vec binary file, after its header."""
    truncated = f"the file ends before the {announced} words that its header announces"
    size = 4 * dimension
    for number in range(1, announced + 1):
        where = f"record {number}"
        word = bytearray()
        while (byte := plain.read(1)) != b" ":
            if not byte:
                raise InvalidVectorFile(where, truncated)
            if byte != b"\n" or word:  # some writers put a newline after each record
                word += byte
            if len(word) > 4 * MAX_WORD_LENGTH:
                raise InvalidVectorFile(
                    where, f"the word is longer than {MAX_WORD_LENGTH} characters"
                )
        raw = plain.read(size)
        if len(raw) < size:
            raise InvalidVectorFile(where, truncated)
        yield Record(where, decode_word(bytes(word), where), np.frombuffer(raw, dtype="<f4"))
    if plain.read(2).strip():
        raise InvalidVectorFile(
            f"record {announced + 1}", f"more records than the header announces ({announced})"
        )


def decode_word(word: bytes, where: str) -> str:
    """The word as text. Raises InvalidVectorFile for invalid UTF-8 and an invalid length."""
    try:
        text = word.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidVectorFile(where, "the word is not valid UTF-8") from error
    if not text or len(text) > MAX_WORD_LENGTH or "\0" in text:
        raise InvalidVectorFile(
            where, f"a word must have 1 to {MAX_WORD_LENGTH} characters and no NUL character"
        )
    return text


def check_dimension(dimension: int) -> None:
    """Raises InvalidVectorFile unless the dimension is 2 to MAX_DIMENSION."""
    if not 2 <= dimension <= MAX_DIMENSION:
        raise InvalidVectorFile(
            "line 1", f"vectors have {dimension} components; 2 to {MAX_DIMENSION} are allowed"
        )
