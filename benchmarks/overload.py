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


class _Connection:
    """A connection to the service that is kept open.

    HTTP clients for Python take a millisecond of the processor for a request. With many clients,
    that is time which the service would lack, and which would be reported as its own.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> tuple[int, dict[str, str]]:
        """Sends a request; returns status and headers once the response is complete."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            pairs = (line.partition(": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            await reader.readexactly(int(headers.get("content-length", "0")))
        except (OSError, EOFError):
            self.close()
            raise
        if headers.get("connection") == "close":
            self.close()
        return int(head[0].split()[1]), headers

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _send(port: int, photo: bytes, until: float, patient: bool, outcome: Outcome) -> None:
    head = "POST /identify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
    request = f"{head}Content-Length: {len(photo)}\r\n\r\n".encode() + photo
    connection = _Connection(port)
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            status, headers = await connection.send(request)
        except (OSError, EOFError) as error:
            outcome.errors[type(error).__name__] += 1
            continue
        outcome.answers.setdefault(status, []).append(time.monotonic() - began)
        if patient and status == 503:
            await asyncio.sleep(float(headers["retry-after"]))
    connection.close()


async def _probe(port: int, path: str, until: float, outcome: Outcome) -> None:
    connection = _Connection(port)
    while time.monotonic() < until:
        began = time.monotonic()
        status, _ = await connection.send(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        name = path if status == 200 else f"{path} {status}"
        outcome.probes.setdefault(name, []).append(time.monotonic() - began)
        await asyncio.sleep(_PROBE_SECONDS)
    connection.close()


async def _load(port: int, photo: bytes, options: argparse.Namespace) -> Outcome:
    outcome = Outcome()
    until = time.monotonic() + options.seconds
    senders = [
        _send(port, photo, until, not options.impatient, outcome) for _ in range(options.clients)
    ]
    await asyncio.gather(*senders, *(_probe(port, path, until, outcome) for path in _PROBES))
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
        outcome = asyncio.run(_load(server.port, photo, options))
        during = _memory(server)
        time.sleep(5.0)
        outcome.report()
        print(f"memory: {before:.0f} MB before, {during:.0f} MB at the end, ", end="")
        print(f"{_memory(server):.0f} MB five seconds later")


if __name__ == "__main__":
    main()
