"""`make bench`: names what is missing, fails where a benchmark fails, lists what it runs."""

import importlib.util
import subprocess
import sys

import pytest

from app.settings import PROJECT
from benchmarks.__main__ import missing_peers, run
from benchmarks.suites import SUITES, Benchmark


def test_every_benchmark_of_a_suite_exists() -> None:
    for suite in SUITES.values():
        for one in suite:
            assert importlib.util.find_spec(f"benchmarks.{one.module}") is not None, one


def test_the_commands_are_listed() -> None:
    command = [sys.executable, "-m", "benchmarks", "quick", "--list"]
    listed = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True)
    assert listed.stdout.splitlines() == [f"python -m {one.command}" for one in SUITES["quick"]]


def test_a_package_that_is_not_installed_is_named() -> None:
    chosen = [Benchmark("search", peers=("faiss", "a_package_that_nobody_has"))]
    assert missing_peers(chosen) == ["a_package_that_nobody_has"]


def test_a_failure_and_absent_data_are_named(capfd: pytest.CaptureFixture[str]) -> None:
    chosen = [
        Benchmark("search", ("--no-such-option",)),
        Benchmark("pipeline", data="no/such/folder"),
        Benchmark("search", ("--help",)),
    ]
    assert list(run(chosen)) == [
        "failed with exit status 2: benchmarks.search --no-such-option",
        "left out: benchmarks.pipeline, because no/such/folder is absent",
    ]
    assert "[3/3] python -m benchmarks.search --help" in capfd.readouterr().out
