"""The pair's own threshold: score normalisation seen from the outside."""

import numpy as np
import pytest

from app.faces.decisions.normalisation import NoNormalisation
from app.faces.decisions.policy import DecisionPolicy, Limit
from app.faces.decisions.thresholds import Thresholds
from app.inference.manifest import Calibration

TABLE = Calibration(
    population="made up", pairs=1000, similarity=(0.1, 0.3, 0.5), fmr=(0.1, 0.01, 0.001)
)


@pytest.fixture
def policy() -> DecisionPolicy:
    return DecisionPolicy(Thresholds(TABLE), NoNormalisation())


def test_correction_moves_the_threshold_of_the_pair(policy: DecisionPolicy) -> None:
    limit = policy.for_fmr(0.001)
    average = policy.judge(0.52, 0.0, limit)
    crowded = policy.judge(0.52, 0.05, limit)
    assert average.threshold == pytest.approx(0.5) and average.matches
    assert crowded.threshold == pytest.approx(0.55) and not crowded.matches
    assert crowded.estimated_fmr > 0.001 > average.estimated_fmr


def test_estimated_rate_is_the_target_at_the_threshold(policy: DecisionPolicy) -> None:
    for correction in (-0.04, 0.0, 0.07):
        limit = policy.for_fmr(0.01)
        judgement = policy.judge(limit.threshold + correction, correction, limit)
        assert judgement.estimated_fmr == pytest.approx(0.01)


def test_fixed_threshold_is_a_cosine(policy: DecisionPolicy) -> None:
    judgement = policy.judge(0.42, 0.3, Limit(0.4, fixed=True))
    assert judgement.threshold == 0.4 and judgement.matches


def test_the_same_image_always_matches(policy: DecisionPolicy) -> None:
    assert policy.judge(1.0, 0.9, policy.for_fmr(1e-9)).matches


def test_without_normalisation_nothing_is_corrected(policy: DecisionPolicy) -> None:
    assert policy.corrections(np.ones((3, 4), dtype=np.float32)).tolist() == [0.0, 0.0, 0.0]
