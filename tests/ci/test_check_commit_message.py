"""The commit message hook, run as Git runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import PROJECT

SCRIPT = PROJECT / ".ci" / "check_commit_message.py"


def check(message: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Result of the hook for a commit message."""
    file = folder / "COMMIT_EDITMSG"
    file.write_text(message, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(file)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "message",
    [
        "Disable ONNX Runtime telemetry\n",
        "Disable ONNX Runtime telemetry\n\nIt sends data to its vendor.\n",
        "x" * 72,
        "# a comment of Git\nDisable telemetry\n# " + "x" * 100,
    ],
)
def test_a_short_subject_is_accepted(message: str, tmp_path: Path) -> None:
    done = check(message, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("x" * 73, "73 characters"),
        ("Disable ONNX Runtime telemetry.\n", "period"),
        ("Disable telemetry\nIt sends data.\n", "second line"),
        ("# only a comment\n", "empty"),
    ],
)
def test_other_messages_are_rejected_with_the_reason(
    message: str, reason: str, tmp_path: Path
) -> None:
    done = check(message, tmp_path)
    assert done.returncode == 1
    assert reason in done.stderr
