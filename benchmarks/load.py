"""Load test of `/identify` on a server process: requests/s, p50, p99, and the time per stage.

    python -m benchmarks.load [--seconds 10] [--clients 1 4] [--people 200] [--workers 1]

All three ways to send a photo are measured in one run. The clients share the cores of the machine
with the service.
"""

import argparse
import base64
import io
import tempfile
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import httpx2
import numpy as np
import skimage.data
from PIL import Image

from benchmarks.report import conditions, table
from harness.servers import running

Ask = Callable[[httpx2.Client], httpx2.Response]


def photo() -> bytes:
    """A public-domain portrait as a 640 x 480 JPEG."""
    stream = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).resize((640, 480)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def ways(content: bytes) -> dict[str, Ask]:
    """The three ways to send a photo: raw body, multipart, base64 in JSON."""
    text = base64.b64encode(content).decode()
    raw = {"Content-Type": "image/jpeg"}
    return {
        "raw body": lambda client: client.post("/identify", content=content, headers=raw),
        "multipart": lambda client: client.post("/identify", files={"image": content}),
        "JSON": lambda client: client.post("/identify", json={"image": text}),
    }


def load(url: str, ask: Ask, clients: int, seconds: float) -> tuple[list[float], dict[str, float]]:
    """Returns the duration of every request and the mean duration per stage, in milliseconds."""
    end = perf_counter() + seconds
    stages: dict[str, list[float]] = defaultdict(list)

    def one_client(_number: int) -> list[float]:
        spent = []
        with httpx2.Client(base_url=url) as client:
            while perf_counter() < end:
                began = perf_counter()
                answer = ask(client).raise_for_status()
                spent.append((perf_counter() - began) * 1000)
                for part in answer.headers["Server-Timing"].split(", "):
                    name, _, duration = part.partition(";dur=")
                    stages[name].append(float(duration))
        return spent

    with ThreadPoolExecutor(clients) as pool:
        spent = [ms for one in pool.map(one_client, range(clients)) for ms in one]
    return spent, {name: float(np.median(values)) for name, values in stages.items()}


def main() -> None:
    """Start a server, enroll people, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    content, arguments = photo(), ("--workers", str(options.workers))
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), *arguments) as server:
        with httpx2.Client(base_url=server.url) as client:
            for number in range(options.people):
                fields = {"name": f"person {number}", "on_duplicate": "allow"}
                client.post("/enroll", files={"image": content}, data=fields).raise_for_status()
        rows, splits = [], []
        for clients in options.clients:
            for name, ask in ways(content).items():
                spent, stages = load(server.url, ask, clients, options.seconds)
                p50, p99 = np.percentile(spent, [50, 99])
                rows.append((name, clients, len(spent) / options.seconds, float(p50), float(p99)))
                rest = float(p50) - sum(stages.values())
                splits.append((name, clients, *stages.values(), rest))
    gallery = f"{options.people} people enrolled, workers: {options.workers}"
    conditions(f"/identify, one face, 640 x 480 JPEG, {gallery}")
    table(("sent as", "clients", "requests/s", "p50 ms", "p99 ms"), rows)
    table(("sent as", "clients", *stages, "HTTP and waiting"), splits)


if __name__ == "__main__":
    main()
