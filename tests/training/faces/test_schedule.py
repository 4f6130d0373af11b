"""The learning rate schedules."""

import pytest

from training.faces.schedule import ByTheClock, Moment, WarmupStableDecay


def test_the_rate_warms_up_is_constant_and_decays_linearly() -> None:
    schedule = WarmupStableDecay(1.0, 10, 100, 10)
    assert schedule.rate(Moment(0)) == pytest.approx(0.1)
    rates = [schedule.rate(Moment(step)) for step in (99, 105, 110, 500)]
    assert rates == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert not schedule.finished(Moment(109, 1e9))
    assert schedule.finished(Moment(110))


def test_a_run_by_the_clock_is_cooled_down_at_its_end_at_any_speed() -> None:
    schedule = ByTheClock(
        peak=1.0, first_step=700, warmup_steps=10, seconds=100.0, cooldown_share=0.4
    )
    assert schedule.rate(Moment(700)) == pytest.approx(0.1), "a resumed run warms up again"
    slow = [schedule.rate(Moment(720, seconds)) for seconds in (59.0, 80.0, 100.0, 130.0)]
    fast = [schedule.rate(Moment(99_000, seconds)) for seconds in (59.0, 80.0, 100.0, 130.0)]
    assert slow == fast == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert not schedule.finished(Moment(99_000, 99.9))
    assert schedule.finished(Moment(720, 100.0))
