"""Tests the evaluation of word vectors on examples that are computed by hand."""

from pathlib import Path

import numpy as np
import pytest

from app.words.evaluation import Vectors, evaluate_analogies, evaluate_similarity, spearman


def test_spearman_of_monotonic_values_and_of_ties() -> None:
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 90.0])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1.0)
    ties = spearman(np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    assert ties == pytest.approx(3**0.5 / 2), "Pearson of the ranks 1.5 1.5 3 and 1 2 3"


def test_similarity_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "pairs.tsv"
    file.write_text("# word\tword\tmean\na\tb\t9\na\tc\t5\nb\tc\t1\nA\tunknown\t3\n")
    rows = np.array([[1, 0], [0.9, 0.4], [0.3, 0.9]])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = evaluate_similarity(Vectors(["a", "b", "c"], rows.astype(np.float32)), file)
    assert (found.known, found.total) == (3, 4)
    assert found.spearman == pytest.approx(0.5), "0.91, 0.32, 0.66 against 9, 5, 1"


def test_analogies_without_known_words_are_nan(tmp_path: Path) -> None:
    file = tmp_path / "questions.txt"
    file.write_text(": capitals\nathens greece oslo norway\n")
    found = evaluate_analogies(Vectors(["a", "b"], np.eye(2, dtype=np.float32)), file)
    assert (found.known, found.total) == (0, 1)
    assert np.isnan(found.cos_add)
