"""Measures what the APIs of other services cost beside the same call of this service's own API.

    python -m benchmarks.compat_cost [--people 200] [--rounds 20]

One server offers all of them (`SIMA_COMPAT`), another one none. Each call is sent a few times, then
the next one follows, for so many rounds. The first table has the time of a call in the own API and
in the others, in milliseconds: the median at the client, and the CPU time of the server, which
other work of the machine changes less. The second has the own API of a server without the others
and with them.
"""

import argparse
import json
import os
import tempfile
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import httpx2
import numpy as np

from benchmarks.load import photo
from benchmarks.report import conditions, table
from harness.servers import Server, running

_TURN = 5  # requests of one call before the next call follows
_TICKS = os.sysconf("SC_CLK_TCK")
_OFFERED = "compreface,deepstack,rekognition"
_OWN = "own"

Ask = Callable[[httpx2.Client], httpx2.Response]


@dataclass
class Spent:
    """Milliseconds of one call: of each request at the client, and of the server's CPU."""

    wall: list[float] = field(default_factory=list)
    cpu: float = 0.0

    def median(self) -> float:
        """The median duration of a request."""
        return float(np.median(self.wall))

    def mean_cpu(self) -> float:
        """The mean CPU time of a request."""
        return self.cpu / len(self.wall)


def calls(image: bytes) -> dict[str, dict[str, Ask]]:
    """The same calls of each API, by what they do.

    The photo is sent as multipart; Rekognition's clients send JSON with base64. Its search asks for
    as many faces as the own API returns people by default, 5; Rekognition's own default is 80.
    """
    pair, sent = {"image_a": image, "image_b": image}, {"image": image}
    deepstack, compreface = "/v1/vision/face", "/api/v1"
    both = {"image1": image, "image2": image}
    source = {"source_image": image, "target_image": image}
    encoded = {"Bytes": b64encode(image).decode()}
    return {
        "detect": {
            _OWN: lambda client: client.post("/detect", files=sent),
            "deepstack": lambda client: client.post(deepstack, files=sent),
            "compreface": lambda client: client.post(
                f"{compreface}/detection/detect", files={"file": image}
            ),
            "rekognition": _rekognition("DetectFaces", Image=encoded),
        },
        "identify": {
            _OWN: lambda client: client.post("/identify", files=sent),
            "deepstack": lambda client: client.post(f"{deepstack}/recognize", files=sent),
            "compreface": lambda client: client.post(
                f"{compreface}/recognition/recognize", files={"file": image}
            ),
            "rekognition": _rekognition(
                "SearchFacesByImage", Image=encoded, CollectionId="default", MaxFaces=5
            ),
        },
        "verify": {
            _OWN: lambda client: client.post("/verify", files=pair),
            "deepstack": lambda client: client.post(f"{deepstack}/match", files=both),
            "compreface": lambda client: client.post(
                f"{compreface}/verification/verify", files=source
            ),
            "rekognition": _rekognition("CompareFaces", SourceImage=encoded, TargetImage=encoded),
        },
    }


def _rekognition(operation: str, **fields: object) -> Ask:
    """A call without a signature, which a server without keys does not verify."""
    headers = {"X-Amz-Target": f"RekognitionService.{operation}"}
    body = json.dumps(fields).encode()
    return lambda client: client.post("/", content=body, headers=headers)


def measure(
    asks: Mapping[str, Ask], servers: Mapping[str, Server], rounds: int
) -> dict[str, Spent]:
    """Sends each call in turns to its server; the first round is not counted."""
    found = {name: Spent() for name in asks}
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(httpx2.Client(base_url=servers[name].url, timeout=120))
            for name in asks
        }
        for number in range(rounds + 1):
            for name, ask in asks.items():
                wall, cpu = _turn(ask, clients[name], servers[name])
                if number:
                    found[name].wall += wall
                    found[name].cpu += cpu
    return found


def _turn(ask: Ask, client: httpx2.Client, server: Server) -> tuple[list[float], float]:
    before, wall = _cpu_ms(server), []
    for _ in range(_TURN):
        began = perf_counter()
        ask(client).raise_for_status()
        wall.append((perf_counter() - began) * 1000)
    return wall, _cpu_ms(server) - before


def _cpu_ms(server: Server) -> float:
    """The CPU time that the process of the server has used."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000.0 / _TICKS


def _enroll(server: Server, image: bytes, people: int) -> None:
    with httpx2.Client(base_url=server.url, timeout=120) as client:
        for number in range(people):
            fields = {"name": f"person {number}", "on_duplicate": "allow"}
            client.post("/enroll", files={"image": image}, data=fields).raise_for_status()


def main() -> None:
    """Start both servers, enroll people, measure in turns, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    image, rows, off = photo(), [], []
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        plain = stack.enter_context(running(folders[0]))
        offering = stack.enter_context(running(folders[1], SIMA_COMPAT=_OFFERED))
        for server in (plain, offering):
            _enroll(server, image, options.people)
        for what, asks in calls(image).items():
            found = measure(asks, dict.fromkeys(asks, offering), options.rounds)
            own = found.pop(_OWN)
            for name, spent in found.items():
                rows.append((what, name, *_compare(own, spent)))
        own_calls = {what: asks[_OWN] for what, asks in calls(image).items()}
        for what, ask in own_calls.items():
            servers = {"off": plain, "on": offering}
            found = measure(dict.fromkeys(servers, ask), servers, options.rounds)
            off.append((what, *_compare(found["off"], found["on"])))
    conditions(f"one face, 640 x 480 JPEG, {options.people} people enrolled, one client")
    table(("call", "API", "own ms", "its ms", "ratio", "own CPU", "its CPU", "ratio"), rows)
    table(("own call", "off ms", "on ms", "ratio", "off CPU", "on CPU", "ratio"), off)


def _compare(one: Spent, other: Spent) -> tuple[float, ...]:
    wall = (one.median(), other.median(), other.median() / one.median())
    return (*wall, one.mean_cpu(), other.mean_cpu(), other.mean_cpu() / one.mean_cpu())


if __name__ == "__main__":
    main()
