"""How many cores a process uses, and how the workers of a service divide them."""

import os
from pathlib import Path

import pytest

from app.cores import available_cores
from app.settings import Settings
from app.wiring.services import concurrency
from harness.servers import running

ALL = available_cores(Path("/nowhere"))


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [
        ("max 100000", ALL),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("150000 100000", min(ALL, 2)),
        ("99900000 100000", ALL),
        ("0 0", ALL),
        ("", ALL),
    ],
)
def test_the_limit_of_a_container_counts(tmp_path: Path, cpu_max: str, cores: int) -> None:
    """With as many threads as the machine has cores, a container of two would only be throttled."""
    file = tmp_path / "cpu.max"
    file.write_text(cpu_max)
    assert available_cores(file) == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_cores_that_the_process_may_not_use_do_not_count() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert available_cores(Path("/nowhere")) == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_workers_divide_the_cores() -> None:
    cores = available_cores()
    assert concurrency(Settings(workers=1)) == cores
    assert concurrency(Settings(workers=cores)) == 1
    assert concurrency(Settings(workers=64)) == 1
    assert concurrency(Settings(workers=64, concurrency=3)) == 3


def test_workers_know_how_many_they_are(tmp_path: Path) -> None:
    """The option of the command counts like the setting."""
    with running(tmp_path, "--workers", "2") as server:
        command = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
        if not command.exists():
            pytest.skip("needs /proc with children")
        workers = command.read_text().split()
        environments = [Path(f"/proc/{one}/environ").read_bytes() for one in workers]
    assert any(b"SIMA_WORKERS=2" in found.split(b"\0") for found in environments)
