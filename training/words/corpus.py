"""Reads a text corpus as word ids, streamed, since it may be larger than memory."""

import gzip
import lzma
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from training.words.contexts import Ids

Progress = Callable[[int], object]
"""Called with the number of words read since the last call."""

END = -1
"""Marks the end of a line in an id file."""

_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words by descending frequency, their counts, and the number of words in the corpus."""

    words: tuple[str, ...]
    counts: NDArray[np.int64]
    total: int

    def __len__(self) -> int:
        return len(self.words)


@contextmanager
def open_text(path: Path) -> Iterator[IO[bytes]]:
    """Open a text file, decompressed if its suffix is .gz or .xz."""
    if path.suffix == ".xz":
        with lzma.open(path, "rb") as stream:
            yield cast(IO[bytes], stream)
    elif path.suffix == ".gz":
        with gzip.open(path, "rb") as zipped:
            yield cast(IO[bytes], zipped)
    else:
        with path.open("rb") as plain:
            yield plain


def count_words(
    path: Path, min_count: int, most_words: int | None, progress: Progress
) -> Vocabulary:
    """The words that occur at least `min_count` times, at most `most_words` of them.

    Words are separated by white space. Raises ValueError if fewer than two are left.
    """
    counter: Counter[bytes] = Counter()
    total = 0
    with open_text(path) as stream:
        while lines := stream.readlines(_BUFFER):
            words = b" ".join(lines).split()
            counter.update(words)
            total += len(words)
            progress(len(words))
    kept = [(word, count) for word, count in counter.items() if count >= min_count]
    kept.sort(key=lambda item: (-item[1], item[0]))
    kept = kept[:most_words]
    if len(kept) < 2:
        raise ValueError(f"{path.name}: fewer than two words occur at least {min_count} times")
    return Vocabulary(
        tuple(word.decode("utf-8", "replace") for word, _ in kept),
        np.array([count for _, count in kept], dtype=np.int64),
        total,
    )


def encode(path: Path, vocabulary: Vocabulary, out: Path, progress: Progress) -> Ids:
    """Write the corpus as int32 ids to `out`, END after each line. Returns the mapped file.

    Words that are not in the vocabulary are skipped, as in word2vec.
    """
    ids = {word.encode(): number for number, word in enumerate(vocabulary.words)}
    ids[b"\n"] = END
    with open_text(path) as stream, out.open("wb") as target:
        while lines := stream.readlines(_BUFFER):
            words = b" ".join(lines).replace(b"\n", b" \n ").split(b" ")
            found = [ids[word] for word in words if word in ids]
            np.array(found, dtype=np.int32).tofile(target)
            progress(len(words))
        np.array([END], dtype=np.int32).tofile(target)
    return np.memmap(out, dtype=np.int32, mode="r")


def sentences(ids: Ids, longest: int = 10_000) -> Iterator[Ids]:
    """The lines of an id file, split into parts of at most `longest` words."""
    start = 0
    for end in np.flatnonzero(ids == END):
        for begin in range(start, int(end), longest):
            yield np.asarray(ids[begin : min(begin + longest, int(end))])
        start = int(end) + 1
