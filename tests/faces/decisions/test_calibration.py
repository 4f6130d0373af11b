"""Calibration tables from impostor similarities."""

import numpy as np
import pytest

from app.faces.decisions.calibration import (
    calibrate,
    impostors_between,
    impostors_by_group,
    rates_at,
    threshold_at_fmr,
)
from app.vectors import l2_normalize


def test_threshold_at_fmr_by_hand() -> None:
    impostors = np.array([0.5, 0.4, 0.35, 0.2, 0.1], dtype=np.float32)
    threshold = threshold_at_fmr(impostors, 0.2)
    assert (impostors >= threshold).mean() == pytest.approx(0.2)


def test_every_rate_of_the_table_holds_for_every_group() -> None:
    rng = np.random.default_rng(1)
    tight = l2_normalize(rng.normal(1.0, 1.0, (400, 16)))
    loose = l2_normalize(rng.normal(0.0, 1.0, (400, 16)))
    group = np.array(["tight"] * 400 + ["loose"] * 400)
    alone = np.arange(800).astype(str)
    impostors = impostors_by_group(np.concatenate([tight, loose]), group, alone)
    assert {len(pairs) for pairs in impostors.values()} == {400 * 399 // 2}
    table = calibrate(impostors, "two groups")
    for similarity, fmr in zip(table.similarity, table.fmr, strict=True):
        for rate in rates_at(impostors, similarity):
            assert rate.fmr <= fmr


def test_impostor_pairs_have_different_identities() -> None:
    vectors = l2_normalize(np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32))
    found = impostors_between(vectors, np.array(["a", "a", "b"]))
    assert found.tolist() == pytest.approx([0.0, 0.0])
