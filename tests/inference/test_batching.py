"""Requests of several threads run as one batch, and none affects another."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import ModelError
from app.inference.batching import BatchingSession, BatchLimits
from app.inference.session import Pixels, Tensor

POISON = -1.0
TIMEOUT = 10.0


class RecordingSession:
    """Returns twice its input, records batch sizes and fails for batches that contain POISON."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.sizes: list[int] = []
        self.seen: list[float] = []
        self.started, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()
        self._seconds = seconds

    @property
    def providers(self) -> tuple[str, ...]:
        return ("CPUExecutionProvider",)

    def run(self, batch: Tensor | Pixels) -> list[Tensor]:
        self.sizes.append(len(batch))
        self.seen.extend(batch[:, 0].tolist())
        self.started.set()
        assert self.go_on.wait(TIMEOUT)
        time.sleep(self._seconds)
        if (batch == POISON).any():
            raise ValueError(f"poisoned: {batch.tolist()}")
        return [np.asarray(batch * 2, dtype=np.float32)]


def rows(*values: float) -> Tensor:
    return np.array(values, dtype=np.float32).reshape(-1, 1)


@settings(max_examples=40, deadline=None)
@given(
    requests=st.lists(st.lists(st.integers(-1, 999), min_size=1, max_size=9), max_size=12),
    largest=st.integers(1, 8),
)
def test_each_request_gets_its_own_rows_and_only_poisoned_ones_fail(
    requests: list[list[int]], largest: int
) -> None:
    session = RecordingSession()
    batching = BatchingSession(session, BatchLimits(largest, 0.002))
    with ThreadPoolExecutor(12) as pool:
        results = [pool.submit(batching.run, rows(*values)) for values in requests]
        for values, result in zip(requests, results, strict=True):
            if POISON in values:
                with pytest.raises(ValueError, match="poisoned"):
                    result.result(TIMEOUT)
            else:
                assert result.result(TIMEOUT)[0][:, 0].tolist() == [2 * v for v in values]
    batching.close()
    assert all(size <= largest for size in session.sizes)


@settings(max_examples=20, deadline=None)
@given(cancelled=st.sets(st.integers(0, 7)))
def test_cancelled_requests_do_not_run_and_their_neighbors_do(cancelled: set[int]) -> None:
    session = RecordingSession()
    session.go_on.clear()
    batching = BatchingSession(session, BatchLimits(wait=0.0))
    first = batching.submit(rows(100))[0]
    assert session.started.wait(TIMEOUT)
    futures = [batching.submit(rows(number))[0] for number in range(8)]
    for number in cancelled:
        assert futures[number].cancel()
    session.go_on.set()
    assert first.result(TIMEOUT)[0].tolist() == [[200.0]]
    kept = [number for number in range(8) if number not in cancelled]
    for number in kept:
        assert futures[number].result(TIMEOUT)[0].tolist() == [[2.0 * number]]
    batching.close()
    assert session.seen == [100, *kept]
    assert session.sizes == ([1, len(kept)] if kept else [1])


def test_requests_that_wait_run_as_one_batch_with_one_error_each() -> None:
    session = RecordingSession()
    batching = BatchingSession(session, BatchLimits(3, TIMEOUT))
    futures = [batching.submit(rows(value))[0] for value in (1, POISON, 3)]
    assert futures[0].result(TIMEOUT / 2)[0].tolist() == [[2.0]]
    with pytest.raises(ValueError, match=r"poisoned: \[\[-1.0\]\]"):
        futures[1].result(TIMEOUT / 2)
    assert futures[2].result(TIMEOUT / 2)[0].tolist() == [[6.0]]
    batching.close()
    assert session.sizes == [3, 1, 1, 1]


def test_a_lone_request_waits_no_longer_than_the_deadline_and_one_run() -> None:
    batching = BatchingSession(RecordingSession(seconds=0.05), BatchLimits(wait=0.05))
    began = time.monotonic()
    batching.run(rows(1))
    elapsed = time.monotonic() - began
    batching.close()
    assert 0.1 <= elapsed < 0.5  # the rest is for a busy machine


def test_a_model_whose_outputs_lack_rows_is_reported_and_the_next_batch_runs() -> None:
    class Summing(RecordingSession):
        def run(self, batch: Tensor | Pixels) -> list[Tensor]:
            return [super().run(batch)[0][:1]]

    batching = BatchingSession(Summing(), BatchLimits(2, TIMEOUT))
    first = [batching.submit(rows(value))[0] for value in (1, 2)]
    assert [one.result(TIMEOUT)[0].tolist() for one in first] == [[[2.0]], [[4.0]]]
    second = [batching.submit(rows(value))[0] for value in (3, 4)]
    assert [one.result(TIMEOUT)[0].tolist() for one in second] == [[[6.0]], [[8.0]]]
    batching.close()


def test_closing_answers_the_waiting_and_refuses_the_late() -> None:
    batching = BatchingSession(RecordingSession(), BatchLimits(wait=600.0))
    waiting: list[Future[list[Tensor]]] = batching.submit(rows(1))
    batching.close()
    with pytest.raises(ModelError, match="shutting down"):
        waiting[0].result(TIMEOUT)
    with pytest.raises(ModelError, match="shutting down"):
        batching.run(rows(1))
    batching.close()


@pytest.mark.parametrize(("wait", "largest"), [(-0.1, 32), (0.005, 0)])
def test_invalid_limits_are_refused(wait: float, largest: int) -> None:
    with pytest.raises(ValueError, match="largest must be at least 1"):
        BatchLimits(largest, wait)
