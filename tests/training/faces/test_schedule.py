"""The learning rate schedule."""

import pytest

from training.faces.schedule import WarmupStableDecay


def test_the_rate_warms_up_is_constant_and_decays_linearly() -> None:
    without_end = WarmupStableDecay(1.0, 10, None, 10)
    assert without_end(0) == pytest.approx(0.1)
    assert without_end(10_000) == 1.0
    ending = WarmupStableDecay(1.0, 10, 100, 10)
    assert [ending(s) for s in (99, 105, 110, 500)] == pytest.approx([1.0, 0.5, 0.0, 0.0])
