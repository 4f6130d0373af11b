"""Runs every command of the README, and checks its links."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import PROJECT
from harness.servers import Server, running

pytestmark = pytest.mark.slow

BLOCKS = re.findall(r"```sh\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service as `make serve` starts it, with the default vocabulary."""
    data = tmp_path_factory.mktemp("data")
    with running(data, SIMA_DEFAULT_VOCABULARY="glove-6b-50d") as started:
        yield started


def run(script: str, folder: Path) -> str:
    """Run a script in bash in `folder`; returns its standard output."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout


def test_the_two_commands_are_targets() -> None:
    for line in BLOCKS[0].strip().splitlines():
        subprocess.run(
            ["make", "-n", line.split()[1]], cwd=PROJECT, check=True, capture_output=True
        )


def test_the_examples_work_as_written(server: Server, tmp_path: Path) -> None:
    answers = [
        run(block.replace("http://127.0.0.1:8000", server.url), tmp_path) for block in BLOCKS[1:]
    ]
    _, recognise, raw, manage, words, own, zero_shot = answers
    assert recognise.count('"person_id"') >= 3
    assert recognise.count('"decision":"match"') == 1
    assert recognise.count('"decision":"unknown"') == 1
    assert '"faces":[{' in raw
    assert '"verified":true' in manage
    assert '"persons":[{' in manage
    assert '"queen"' in words
    assert '"word":"engine"' in words
    assert '"words":3' in own
    assert '"object":"list"' in own
    assert '"decision":"weather"' in zero_shot
    assert '"decision":"cat"' in zero_shot
    assert "urn:sima:problem" not in "".join(answers)


def test_every_linked_file_exists() -> None:
    text = (PROJECT / "README.md").read_text()
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    assert links
    for link in links:
        assert (PROJECT / link).exists(), link
