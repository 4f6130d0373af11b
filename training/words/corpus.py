"""Text as word ids, streamed: a corpus may be larger than memory."""

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
"""Told how many more words were read."""

END = -1
"""Stands in an id file where a line ends."""

_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words by falling frequency, how often each occurs, and how many words there were at all."""

    words: tuple[str, ...]
    counts: NDArray[np.int64]
    total: int

    def __len__(self) -> int:
        return len(self.words)


@contextmanager
def open_text(path: Path) -> Iterator[IO[bytes]]:
    """A text file, or one in gzip or xz, as bytes."""
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
    """One pass: the words that occur `min_count` times or more, at most `most_words` of them.

    Words are what white space separates. Raises ValueError where none is left.
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
        raise ValueError(f"{path.name}: fewer than two words occur {min_count} times or more")
    return Vocabulary(
        tuple(word.decode("utf-8", "replace") for word, _ in kept),
        np.array([count for _, count in kept], dtype=np.int64),
        total,
    )


def encode(path: Path, vocabulary: Vocabulary, out: Path, progress: Progress) -> Ids:
    """Write the corpus as int32 ids to `out`, END after each line, and map it into memory.

    Words that are not in the vocabulary are left out, as word2vec does.
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
    """The lines of an id file, cut where they are longer than `longest` words."""
    start = 0
    for end in np.flatnonzero(ids == END):
        for begin in range(start, int(end), longest):
            yield np.asarray(ids[begin : min(begin + longest, int(end))])
        start = int(end) + 1
