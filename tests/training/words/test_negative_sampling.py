"""Sampling distributions, and steps of the kernel computed by hand."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="requires the extra `train`")

from training.words.kernel import make_kernel, sigmoid_table
from training.words.sampling import (
    alias_table,
    default_negatives,
    keep_probabilities,
    shared_negatives,
)


def test_negatives_are_drawn_from_the_smoothed_counts() -> None:
    counts = np.array([1000, 100, 10, 1], dtype=np.int64)
    probability, alias = alias_table(counts)
    rng = np.random.default_rng(0)
    slots = rng.integers(0, 4, 400_000)
    drawn = np.where(rng.random(400_000) < probability[slots], slots, alias[slots])
    share = np.bincount(drawn, minlength=4) / 400_000
    expected = counts**0.75 / (counts**0.75).sum()
    assert np.abs(share - expected).max() < 0.003


def test_frequent_words_are_subsampled() -> None:
    kept = keep_probabilities(np.array([50_000, 1_000, 10]), sample=1e-3)
    assert kept[0] < kept[1] < 1.0
    assert kept[2] == 1.0
    share = 50_000 / 51_010
    assert kept[0] == pytest.approx((np.sqrt(share / 1e-3) + 1) * 1e-3 / share)
    assert default_negatives(10_000) == 15
    assert default_negatives(17_000_000) == 5


@pytest.mark.parametrize(
    ("negatives", "times", "expected"), [(1, 1.0, 1), (5, 1.0, 5), (5, 2.0, 11), (15, 2.0, 35)]
)
def test_shared_negatives_fill_whole_blocks(negatives: int, times: float, expected: int) -> None:
    assert shared_negatives(negatives, times) == expected


def test_shared_negatives_have_the_total_weight_of_k() -> None:
    """Eleven equal negatives with weight 5 / 11 have the same effect as five with weight 1."""
    certain = (np.zeros(3, dtype=np.float32), np.array([2, 2, 2], dtype=np.int32))
    ids, keep = np.array([0, 1], dtype=np.int32), np.ones(3, dtype=np.float32)
    moved = []
    for shared in (5, 11):
        source = np.array([[0.1, 0.2], [0.3, -0.1], [0.2, 0.2]], dtype=np.float32)
        target = np.zeros((3, 2), dtype=np.float32)
        target[2] = (0.1, 0.3)
        kernel = make_kernel(2, negatives=5, window=1, shared=shared)
        matrices = (source, target, np.zeros(3, dtype=np.float32))
        kernel(ids, (0, 2), matrices, keep, certain, sigmoid_table(), 0.01, 1)
        moved.append((source.copy(), target.copy()))
    assert np.abs(moved[0][0] - moved[1][0]).max() < 1e-5
    assert np.abs(moved[0][1] - moved[1][1]).max() < 1e-5


def test_one_step_of_the_kernel_by_hand() -> None:
    """Two words, one negative: steps of `(y - p) * rate`, a tenth of it for biases."""
    source = np.array([[0.1, 0.2], [0.3, -0.1], [0.2, 0.2]], dtype=np.float32)
    target = np.array([[0.5, 0.1], [-0.2, 0.4], [0.1, 0.3]], dtype=np.float32)
    bias = np.zeros(3, dtype=np.float32)
    before_s, before_t = source.copy(), target.copy()
    certain = (np.array([0.0, 0.0, 1.0], dtype=np.float32), np.array([2, 2, 2], dtype=np.int32))
    kernel = make_kernel(2, negatives=1, window=1, shared=1)
    ids, keep = np.array([0, 1], dtype=np.int32), np.ones(3, dtype=np.float32)
    rate = 0.1
    matrices = (source, target, bias)
    kernel(ids, (0, 2), matrices, keep, certain, sigmoid_table(), rate, 1)

    def sigma(x: float) -> float:
        return float(1 / (1 + np.exp(-x)))

    s, t, b = before_s.astype(float), before_t.astype(float), np.zeros(3)
    for centre, near in ((0, 1), (1, 0)):
        rows = [centre, 2]
        old = t[rows].copy()
        wrong = [y - sigma(s[near] @ t[r] + b[r]) for y, r in zip((1, 0), rows, strict=True)]
        for error, row in zip(wrong, rows, strict=True):
            t[row] += rate * error * s[near]
            b[row] += 0.1 * rate * error  # _BIAS_RATE
        s[near] = s[near] + rate * (wrong[0] * old[0] + wrong[1] * old[1])
    assert np.abs(source - s).max() < 1e-3 * rate
    assert np.abs(target - t).max() < 1e-3 * rate
    assert np.abs(bias - b).max() < 1e-3 * rate
