"""Evaluates word vectors on analogies and on human similarity judgements."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.vectors import Matrix
from app.words.analogies import EPSILON

_BLOCK_SIZE = 500  # questions scored at once


@dataclass(frozen=True, slots=True)
class Vectors:
    """Evaluated words, most frequent first, and their unit vectors, shape (words, dimension)."""

    words: list[str]
    rows: Matrix

    def row_numbers(self) -> dict[str, int]:
        """The row of each word; of a duplicate, the first row."""
        return {word: row for row, word in reversed(list(enumerate(self.words)))}


@dataclass(frozen=True, slots=True)
class AnalogyScore:
    """Accuracy of 3CosAdd and 3CosMul over the questions whose words are all known; NaN for none.

    `known` of `total` questions were evaluated.
    """

    cos_add: float
    cos_mul: float
    known: int
    total: int


@dataclass(frozen=True, slots=True)
class SimilarityScore:
    """Spearman's rank correlation with human judgements over the pairs of known words.

    NaN for fewer than two pairs. `known` of `total` pairs were evaluated.
    """

    spearman: float
    known: int
    total: int


def evaluate_analogies(vectors: Vectors, questions: Path, max_words: int = 30_000) -> AnalogyScore:
    """Google's analogy questions (Mikolov et al. 2013) over the `max_words` most frequent words.

    A line `a b c d` asks for d: *a* is to *b* as *c* is to *d*. The words a, b and c are excluded
    from the answers.
    """
    frequent = Vectors(vectors.words[:max_words], vectors.rows[:max_words])
    rows = frequent.row_numbers()
    lines = [line.lower().split() for line in questions.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if len(line) == 4 and line[0] != ":"]
    known = np.array([[rows[w] for w in line] for line in lines if all(w in rows for w in line)])
    if not len(known):
        return AnalogyScore(float("nan"), float("nan"), 0, len(lines))
    correct_add = correct_mul = 0
    for start in range(0, len(known), _BLOCK_SIZE):
        block = known[start : start + _BLOCK_SIZE]
        a, b, c = (frequent.rows[block[:, column]] @ frequent.rows.T for column in range(3))
        add = b - a + c
        mul = (b + 1) * (c + 1) / (a + 1 + EPSILON)  # similarities shifted to [0, 2]
        for scores in (add, mul):
            np.put_along_axis(scores, block[:, :3], -np.inf, axis=1)
        correct_add += int((add.argmax(axis=1) == block[:, 3]).sum())
        correct_mul += int((mul.argmax(axis=1) == block[:, 3]).sum())
    n = len(known)
    return AnalogyScore(correct_add / n, correct_mul / n, n, len(lines))


def evaluate_similarity(vectors: Vectors, file: Path) -> SimilarityScore:
    """Correlation on a file with `word TAB word TAB score` per line; # starts a comment line.

    WordSim-353 (Finkelstein et al. 2001), SimLex-999 (Hill et al. 2015).
    """
    rows = vectors.row_numbers()
    pairs = []
    for line in file.read_text(encoding="utf-8").splitlines():
        parts = line.lower().split("\t")
        if not line.startswith("#") and len(parts) >= 3:
            pairs.append((parts[0], parts[1], float(parts[2])))
    known = [(rows[a], rows[b], score) for a, b, score in pairs if a in rows and b in rows]
    if len(known) < 2:
        return SimilarityScore(float("nan"), len(known), len(pairs))
    first, second, judged = (np.array(column) for column in zip(*known, strict=True))
    cosines = (vectors.rows[first] * vectors.rows[second]).sum(axis=1)
    return SimilarityScore(spearman(cosines, judged), len(known), len(pairs))


def spearman(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Spearman's rank correlation; ties get the mean of their ranks."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place], dtype=np.float64)
