"""How good word vectors are: analogies and human judgements of similarity."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.vectors import Matrix

_EPSILON = 1e-3  # Levy & Goldberg 2014, section 6
_BLOCK = 500


@dataclass(frozen=True, slots=True)
class Vectors:
    """The words looked at, most frequent first, and their unit vectors."""

    words: list[str]
    rows: Matrix

    def ids(self) -> dict[str, int]:
        """Row numbers; a word counts in lower case where only that is known."""
        return {word: row for row, word in reversed(list(enumerate(self.words)))}


@dataclass(frozen=True, slots=True)
class AnalogyScore:
    """Share of right answers by either method, over the questions whose words are all known."""

    cos_add: float
    cos_mul: float
    asked: int
    of: int


@dataclass(frozen=True, slots=True)
class SimilarityScore:
    """Spearman's rank correlation with people's judgements, over the known pairs."""

    spearman: float
    pairs: int
    of: int


def analogies(vectors: Vectors, questions: Path, most_words: int = 30_000) -> AnalogyScore:
    """Google's questions (Mikolov et al. 2013) among the `most_words` most frequent words.

    *a* is to *b* as *c* is to *d*; the three words asked with are no answer.
    """
    some = Vectors(vectors.words[:most_words], vectors.rows[:most_words])
    ids = some.ids()
    lines = [line.lower().split() for line in questions.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if len(line) == 4 and line[0] != ":"]
    known = np.array([[ids[w] for w in line] for line in lines if all(w in ids for w in line)])
    if not len(known):
        return AnalogyScore(float("nan"), float("nan"), 0, len(lines))
    right_add = right_mul = 0
    for start in range(0, len(known), _BLOCK):
        asked = known[start : start + _BLOCK]
        a, b, c = (some.rows[asked[:, column]] @ some.rows.T for column in range(3))
        add = b - a + c
        mul = (b + 1) * (c + 1) / (a + 1 + _EPSILON)  # each similarity moved to [0, 2]
        for scores in (add, mul):
            np.put_along_axis(scores, asked[:, :3], -np.inf, axis=1)
        right_add += int((add.argmax(axis=1) == asked[:, 3]).sum())
        right_mul += int((mul.argmax(axis=1) == asked[:, 3]).sum())
    n = len(known)
    return AnalogyScore(right_add / n, right_mul / n, n, len(lines))


def similarity(vectors: Vectors, pairs: Path) -> SimilarityScore:
    """`word word score` a line, tab-separated; lines that start with # are comments.

    WordSim-353 (Finkelstein et al. 2001), SimLex-999 (Hill et al. 2015).
    """
    ids = vectors.ids()
    rows = []
    for line in pairs.read_text(encoding="utf-8").splitlines():
        parts = line.lower().split("\t")
        if not line.startswith("#") and len(parts) >= 3:
            rows.append((parts[0], parts[1], float(parts[2])))
    known = [(ids[a], ids[b], score) for a, b, score in rows if a in ids and b in ids]
    if len(known) < 2:
        return SimilarityScore(float("nan"), len(known), len(rows))
    first, second, judged = (np.array(column) for column in zip(*known, strict=True))
    ours = (vectors.rows[first] * vectors.rows[second]).sum(axis=1)
    return SimilarityScore(spearman(ours, judged), len(known), len(rows))


def spearman(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Pearson's correlation of the ranks; equal values share the mean of their ranks."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place], dtype=np.float64)
