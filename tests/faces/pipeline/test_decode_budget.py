"""The memory that decoded images take in all threads together."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.faces.pipeline.decode_budget import DecodeBudget

SECONDS = 5.0


class Holder:
    """A thread that holds a part of a budget until it is told to release it."""

    def __init__(self, pool: ThreadPoolExecutor, budget: DecodeBudget, size: int) -> None:
        self.holds, self._release = threading.Event(), threading.Event()
        self._done = pool.submit(self._hold, budget, size)

    def _hold(self, budget: DecodeBudget, size: int) -> None:
        with budget.reserve(size):
            self.holds.set()
            assert self._release.wait(SECONDS)

    def release(self) -> None:
        self._release.set()
        self._done.result(SECONDS)


def test_a_thread_waits_until_its_bytes_are_free() -> None:
    budget = DecodeBudget(100)
    with ThreadPoolExecutor(3) as pool:
        first, second = Holder(pool, budget, 60), Holder(pool, budget, 40)
        assert first.holds.wait(SECONDS)
        assert second.holds.wait(SECONDS)
        third = Holder(pool, budget, 41)
        assert not third.holds.wait(0.05)
        second.release()
        assert not third.holds.wait(0.05), "60 + 41 bytes exceed the budget"
        first.release()
        assert third.holds.wait(SECONDS)
        third.release()


def test_a_small_image_does_not_overtake_a_large_one() -> None:
    budget = DecodeBudget(100)
    with ThreadPoolExecutor(3) as pool:
        first = Holder(pool, budget, 60)
        assert first.holds.wait(SECONDS)
        large = Holder(pool, budget, 90)
        assert not large.holds.wait(0.05)
        small = Holder(pool, budget, 10)
        assert not small.holds.wait(0.05)
        first.release()
        assert large.holds.wait(SECONDS)
        assert small.holds.wait(SECONDS), "both fit"
        large.release()
        small.release()


def test_an_image_of_more_than_the_budget_is_decoded_alone() -> None:
    budget = DecodeBudget(100)
    with ThreadPoolExecutor(2) as pool:
        huge = Holder(pool, budget, 1_000)
        assert huge.holds.wait(SECONDS)
        small = Holder(pool, budget, 1)
        assert not small.holds.wait(0.05)
        huge.release()
        assert small.holds.wait(SECONDS)
        small.release()


def test_an_error_frees_the_bytes() -> None:
    budget = DecodeBudget(100)

    def fail() -> None:
        with budget.reserve(100):
            raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            fail()
    with budget.reserve(100):
        pass
