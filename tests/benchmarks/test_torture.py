"""Runs a small `make torture`: the counts that must be zero are zero."""

import re
import subprocess
import sys

import pytest

from app.settings import PROJECT

pytestmark = pytest.mark.slow


def test_nothing_is_lost_duplicated_or_found_after_deletion() -> None:
    options = ("--seconds", "5", "--clients", "8", "--workers", "2", "--enrollments", "150")
    output = run("benchmarks.torture", *options)
    rows = re.findall(r"│ (\w+)\s*│ ([\w ]+?)\s*│ (\d+)\s*│", output)
    counts = {(part, what): int(count) for part, what, count in rows}
    assert counts["clients", "enrolled"] > 0
    assert counts["writer", "acknowledged"] == counts["writer", "found"] >= 150


@pytest.mark.parametrize("options", [(), ("--postgres",)], ids=["sqlite", "postgresql"])
def test_a_killed_service_keeps_what_it_acknowledged_and_nothing_else(
    options: tuple[str, ...],
) -> None:
    output = run("benchmarks.torture.service_kills", "--kills", "3", *options)
    rows = re.findall(r"│ ([\w ]+?)\s*│ (\d+)\s*│", output)
    counts = {what: int(count) for what, count in rows}
    assert counts["enrolled"] > counts["deleted"]
    assert counts["found"] > 0
    for what in ("lost", "doubled", "ghosts", "half done", "index differs", "unexpected"):
        assert counts[what] == 0, output


def run(module: str, *options: str) -> str:
    """Runs a benchmark, which must succeed; returns its output."""
    done = subprocess.run(
        [sys.executable, "-m", module, *options],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
