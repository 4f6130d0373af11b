"""Runs a small `make torture`: the counts that must be zero are zero."""

import re
import subprocess
import sys

import pytest

from app.settings import PROJECT

pytestmark = pytest.mark.slow


def test_nothing_is_lost_duplicated_or_found_after_deletion() -> None:
    options = ("--seconds", "5", "--clients", "8", "--workers", "2", "--enrollments", "150")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.torture", *options],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"│ (\w+)\s*│ ([\w ]+?)\s*│ (\d+)\s*│", done.stdout)
    counts = {(part, what): int(count) for part, what, count in rows}
    assert counts["clients", "enrolled"] > 0
    assert counts["writer", "acknowledged"] == counts["writer", "found"] >= 150
