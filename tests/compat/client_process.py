"""Runs the program of a client and reads what it printed."""

import json
import subprocess
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def run(*command: str, folder: Path, **environment: str) -> Json:
    """The JSON that a client printed in its last line; it runs in `folder`."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment or None,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    printed: Json = json.loads(done.stdout.splitlines()[-1])
    return printed
