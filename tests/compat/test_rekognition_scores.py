"""Rekognition's similarity: the decision falls on the thresholds that its clients use."""

import pytest

from app.compat.rekognition.scores import MATCH, STRICT, STRICTEST, client_similarity
from app.faces.decisions.grading import GradedJudgement
from app.faces.decisions.policy import Judgement


@pytest.mark.parametrize("threshold", [-0.5, 0.1, 0.45, 0.9, 0.998])
def test_the_decision_is_at_the_thresholds_of_the_clients(threshold: float) -> None:
    strict, strictest = (min(threshold + more, 0.999) for more in (0.02, 0.05))

    def similarity(value: float) -> float:
        return client_similarity(
            GradedJudgement(Judgement(value, threshold, 0.001), strict, strictest)
        )

    values = [
        similarity(value) for value in (-1.0, threshold - 1e-9, threshold, strict, strictest, 1.0)
    ]
    assert values == sorted(values)
    assert values[1] < MATCH == values[2]
    assert (values[0], values[-1]) == (0.0, 100.0)
    if strict < strictest:
        assert values[3:5] == pytest.approx([STRICT, STRICTEST])
