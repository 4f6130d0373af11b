"""Calibration tables from impostor and genuine scores."""

import numpy as np
import pytest

from app.errors import ModelError
from app.faces.decisions.calibration import calibrate, rates_at
from app.faces.decisions.scores import (
    LabelledFaces,
    ScoreDistribution,
    genuine_scores,
    impostor_scores,
    impostor_scores_by_group,
)
from app.vectors import l2_normalize


def two_groups(people: int = 400) -> LabelledFaces:
    """One face a person; the faces of `tight` resemble one another more than those of `loose`."""
    rng = np.random.default_rng(1)
    tight = rng.normal(1.0, 1.0, (people, 16))
    loose = rng.normal(0.0, 1.0, (people, 16))
    rows = l2_normalize(np.concatenate([tight, loose])).astype(np.float32)
    group = np.array(["tight"] * people + ["loose"] * people)
    nothing = np.zeros(2 * people, dtype=np.float32)
    return LabelledFaces(rows, np.arange(2 * people).astype(str), group, nothing)


def test_every_measured_rate_holds_for_every_group() -> None:
    impostors = impostor_scores_by_group(two_groups())
    assert {scores.pairs for scores in impostors.values()} == {400 * 399 // 2}
    table = calibrate(impostors, None, "two groups")
    assert table.measured_to is not None and table.measured_to <= 1e-3
    for threshold, fmr in zip(table.similarity, table.fmr, strict=True):
        for rate in rates_at(impostors, threshold):
            assert rate.fmr <= max(fmr, 10 / rate.pairs)


def test_table_states_the_share_of_refused_genuine_pairs() -> None:
    rng = np.random.default_rng(2)
    centres = np.repeat(rng.normal(size=(300, 16)), 2, axis=0)
    rows = l2_normalize(centres + rng.normal(0, 0.6, centres.shape)).astype(np.float32)
    nothing = np.zeros(len(rows), dtype=np.float32)
    faces = LabelledFaces(
        rows, np.repeat(np.arange(300), 2).astype(str), nothing.astype(str), nothing
    )
    genuine = genuine_scores(faces)
    table = calibrate({"all": impostor_scores(faces)}, genuine, "one group")
    assert table.genuine_pairs == 300
    cosines = (rows[::2] * rows[1::2]).sum(axis=1)
    for threshold, fnmr in zip(table.similarity, table.fnmr, strict=True):
        assert fnmr == pytest.approx((cosines < threshold).mean(), abs=0.011)
    assert list(table.fnmr) == sorted(table.fnmr)


def test_extrapolated_thresholds_keep_rising() -> None:
    rng = np.random.default_rng(3)
    scores = ScoreDistribution()
    scores.add(rng.normal(0.1, 0.1, 300_000).astype(np.float32))
    table = calibrate({"all": scores}, None, "normal scores")
    assert table.fmr[-1] == 1e-9
    assert table.measured_to == pytest.approx(5e-5)
    at = dict(zip(table.fmr, table.similarity, strict=True))
    assert at[1e-6] == pytest.approx(0.1 + 0.1 * 4.753, abs=0.03)  # the normal quantile


def test_too_few_pairs_are_refused() -> None:
    scores = ScoreDistribution()
    scores.add(np.zeros(20, dtype=np.float32))
    with pytest.raises(ModelError, match="20 pairs of two different people are too few"):
        calibrate({"all": scores}, None, "twenty pairs")
