"""The counters of rate limits: what several of them allow together, and without their storage."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from limits import parse

from app.errors import InvalidSetting
from app.store.rate_limits import (
    CounterUnavailable,
    DatabaseCounter,
    MemoryCounter,
    RedisCounter,
    RequestCounter,
)
from harness.servers import free_port

LIMIT = parse("7/day")
OpenCounter = Callable[[], RequestCounter]

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="requires redis-server (Debian: redis-server)"
)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis server."""
    port = str(free_port())
    folder = str(tmp_path_factory.mktemp("redis"))
    command = ["redis-server", "--port", port, "--save", "", "--dir", folder]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(
    params=["sqlite", "postgresql", pytest.param("redis", marks=needs_redis)],
)
def open_counter(request: pytest.FixtureRequest, tmp_path: Path) -> OpenCounter:
    """Opens a counter as each worker does; all of them count in one storage."""
    if request.param == "sqlite":
        return lambda: DatabaseCounter.in_file(tmp_path / "rate-limits.db")
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
        return lambda: DatabaseCounter.in_postgresql(url)
    url = request.getfixturevalue("redis")
    return lambda: RedisCounter(url)


def counted(counters: list[RequestCounter], caller: str, attempts: int) -> int:
    """How many of the requests were counted, when each worker sends some at the same time."""
    deadline = time.monotonic() + 30  # the server may still be starting
    while True:
        try:
            counters[0].hit(LIMIT, "somebody else")
            break
        except CounterUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with ThreadPoolExecutor(len(counters)) as pool:
        found = pool.map(
            lambda counter: sum(counter.hit(LIMIT, caller) for _ in range(attempts)), counters
        )
        return sum(found)


def test_workers_together_count_as_many_as_one(open_counter: OpenCounter) -> None:
    counters = [open_counter() for _ in range(3)]
    assert counted(counters, "a", attempts=6) == LIMIT.amount
    assert counted(counters, "b", attempts=6) == LIMIT.amount
    assert counted([open_counter()], "a", attempts=6) == 0
    for counter in counters:
        counter.close()


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_half_of_the_former_window_counts_in_the_middle_of_the_next(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter: RequestCounter = MemoryCounter()
    if kind == "file":
        counter = DatabaseCounter.in_file(tmp_path / "rate-limits.db")
    now = 1_000_000 * 86_400.0
    monkeypatch.setattr(time, "time", lambda: now)
    limit = parse("10/day")
    assert sum(counter.hit(limit, "a") for _ in range(20)) == 10
    now += 1.5 * 86_400
    assert sum(counter.hit(limit, "a") for _ in range(20)) == 5
    now += 5 * 86_400
    assert sum(counter.hit(limit, "a") for _ in range(20)) == 10


def test_expired_rows_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rate-limits.db"
    counter = DatabaseCounter.in_file(file)
    now = 1_000_000 * 86_400.0
    monkeypatch.setattr(time, "time", lambda: now)
    for number in range(200):
        assert counter.hit(LIMIT, f"{number:064}")
    now += 10 * 86_400
    assert counter.hit(LIMIT, "last")
    counter.close()
    assert b"0" * 61 not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


def test_a_deleted_file_is_replaced(tmp_path: Path) -> None:
    counter = DatabaseCounter.in_file(tmp_path / "rate-limits.db")
    assert counter.hit(LIMIT, "a")
    counter.close()
    for file in tmp_path.iterdir():
        file.unlink()
    attempts = 0
    while True:
        try:
            assert counter.hit(LIMIT, "a")
            break
        except CounterUnavailable:
            attempts += 1
            assert attempts < 3


def test_an_unreachable_storage_is_reported_within_its_timeout(tmp_path: Path) -> None:
    counters: list[RequestCounter] = [
        RedisCounter(f"redis://127.0.0.1:{free_port()}/0"),
        DatabaseCounter.in_postgresql(f"postgresql+psycopg://127.0.0.1:{free_port()}/sima"),
        DatabaseCounter.in_file(tmp_path / "missing" / "rate-limits.db"),
    ]
    for counter in counters:
        with pytest.raises(CounterUnavailable):
            counter.hit(LIMIT, "a")


@pytest.mark.parametrize("url", ["redis://:sk-secret@host:port/0", "rediss://sk-secret@[host"])
def test_an_invalid_url_is_not_quoted(url: str) -> None:
    with pytest.raises(InvalidSetting, match="SIMA_RATE_LIMIT_STORAGE") as caught:
        RedisCounter(url)
    assert "sk-secret" not in str(caught.value)
