"""Sends more photos than one worker can process, and reports what its clients and probes see.

    python -m benchmarks.overload --clients 200 --seconds 60

Each client sends a photo to `/identify`, waits for the answer, and sends the next one; after a
503 it waits for `Retry-After`, unless `--impatient` is given. Memory is that of the service.
"""

import argparse
import asyncio
import re
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import numpy as np

from harness.photos import find_portraits
from harness.servers import Server, running

_JPEG = {"Content-Type": "image/jpeg"}
_PROBE_SECONDS = 0.25


@dataclass(slots=True)
class Outcome:
    """Durations in seconds by status, and those of the probes by path."""

    answers: dict[int, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    probes: dict[str, list[float]] = field(default_factory=dict)

    def report(self) -> None:
        """Prints a table."""
        print("| what | number | p50 | p99 | worst |\n|---|---|---|---|---|")
        rows = {str(status): found for status, found in sorted(self.answers.items())}
        for name, durations in {**rows, **self.probes}.items():
            milliseconds = 1000 * np.array(durations)
            p50, p99 = np.percentile(milliseconds, (50, 99))
            worst = milliseconds.max()
            print(f"| {name} | {len(durations)} | {p50:.0f} ms | {p99:.0f} ms | {worst:.0f} ms |")
        for name, number in self.errors.items():
            print(f"| {name} | {number} | | | |")


async def _send(url: str, photo: bytes, until: float, patient: bool, outcome: Outcome) -> None:
    async with httpx2.AsyncClient(timeout=120) as client:
        while time.monotonic() < until:
            began = time.monotonic()
            try:
                answer = await client.post(f"{url}/identify", content=photo, headers=_JPEG)
            except httpx2.TransportError as error:
                outcome.errors[type(error).__name__] += 1
                continue
            seconds = time.monotonic() - began
            outcome.answers.setdefault(answer.status_code, []).append(seconds)
            if patient and answer.status_code == 503:
                await asyncio.sleep(float(answer.headers["Retry-After"]))


async def _probe(url: str, path: str, until: float, outcome: Outcome) -> None:
    async with httpx2.AsyncClient(timeout=120) as client:
        while time.monotonic() < until:
            began = time.monotonic()
            answer = await client.get(f"{url}{path}")
            name = path if answer.status_code == 200 else f"{path} {answer.status_code}"
            outcome.probes.setdefault(name, []).append(time.monotonic() - began)
            await asyncio.sleep(_PROBE_SECONDS)


async def _load(url: str, photo: bytes, options: argparse.Namespace) -> Outcome:
    outcome = Outcome()
    until = time.monotonic() + options.seconds
    senders = [
        _send(url, photo, until, not options.impatient, outcome) for _ in range(options.clients)
    ]
    await asyncio.gather(*senders, *(_probe(url, path, until, outcome) for path in _PROBES))
    return outcome


_PROBES = ("/health", "/ready")


def _memory(server: Server) -> float:
    """Resident memory of the service in MB (Linux)."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1000


def main() -> None:
    """Starts a service, loads it, prints the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--deadline", type=float, default=5.0, help="SIMA_REQUEST_SECONDS")
    parser.add_argument("--impatient", action="store_true", help="ignore Retry-After")
    options = parser.parse_args()
    photo = find_portraits()["obama"]
    settings = {"SIMA_REQUEST_SECONDS": str(options.deadline)}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), **settings) as server:
        for _ in range(10):  # the service measures how long a photo takes
            httpx2.post(f"{server.url}/identify", content=photo, headers=_JPEG, timeout=120)
        before = _memory(server)
        outcome = asyncio.run(_load(server.url, photo, options))
        during = _memory(server)
        time.sleep(5.0)
        outcome.report()
        print(f"memory: {before:.0f} MB before, {during:.0f} MB at the end, ", end="")
        print(f"{_memory(server):.0f} MB five seconds later")


if __name__ == "__main__":
    main()
