"""Verification metrics on similarities that can be checked by hand."""

import numpy as np
import pytest

from training.faces.metrics import error_curve, tar_at_far, ten_fold_accuracy


def test_ten_fold_accuracy_by_hand() -> None:
    same = np.tile([True, False], 50)
    fold = np.repeat(np.arange(10), 10)
    perfect = np.where(same, 0.8, 0.1)
    assert ten_fold_accuracy(perfect, same, fold).mean == 1.0
    missing = perfect.copy()
    missing[:10] = np.nan  # not acquired: an error for genuine and for impostor pairs
    result = ten_fold_accuracy(missing, same, fold)
    assert result.mean == pytest.approx(0.9)
    assert result.failure_to_acquire == pytest.approx(0.1)


def test_tar_at_far_by_hand() -> None:
    similarities = np.array([0.9, 0.8, 0.3, 0.5, 0.4, 0.35, 0.2, 0.1])
    same = np.array([True, True, True, False, False, False, False, False])
    assert tar_at_far(similarities, same, 0.0) == pytest.approx(2 / 3)
    assert tar_at_far(similarities, same, 0.6) == pytest.approx(1.0)


def test_error_curve_by_hand() -> None:
    similarities = np.array([0.9, 0.8, 0.3, 0.5, 0.4, np.nan])
    same = np.array([True, True, True, False, False, False])
    curve = error_curve(similarities, same)
    points = list(zip(curve.false_match.round(3), curve.false_non_match.round(3), strict=True))
    assert points == [
        (0.0, 0.667),  # accepted at 0.9 and above
        (0.0, 0.333),
        (0.333, 0.333),
        (0.667, 0.333),
        (0.667, 0.0),
        (1.0, 0.0),  # a threshold of -1 accepts the pair that was not acquired, too
    ]
