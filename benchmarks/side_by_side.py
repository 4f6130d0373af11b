"""Compares this checkout with another one, over HTTP, in turns.

    python -m benchmarks.side_by_side OTHER [--people 200] [--rounds 20]

Both services run at the same time on their own data, with the same people and the default
vocabulary. Each answers a few requests, then the other continues. The table has the medians of the
whole request and of its `search` stage in milliseconds, and the ratios, this checkout to the other.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter

import httpx2
import numpy as np

from app.settings import PROJECT
from benchmarks.load import photo
from benchmarks.report import conditions, table
from harness.servers import Server

_TURN = 10  # requests that one service answers before the other continues
_WORDS = ("orange", "king", "music", "river", "doctor", "quick", "paris", "seven", "green", "walk")

Ask = Callable[[httpx2.Client, int], httpx2.Response]


@contextmanager
def service(checkout: Path, people: int, image: bytes) -> Iterator[httpx2.Client]:
    """A client of a service of this checkout with enrolled people and the default vocabulary."""
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = {"SIMA_DEFAULT_VOCABULARY": "glove-6b-50d"}
        server = Server(Path(folder), checkout=checkout, **vocabulary)
        try:
            server.wait_until_ready(300)
            with httpx2.Client(base_url=server.url, timeout=60) as client:
                for number in range(people):
                    fields = {"name": f"person {number}", "on_duplicate": "allow"}
                    client.post("/enroll", files={"image": image}, data=fields).raise_for_status()
                yield client
        finally:
            server.kill()


def requests(image: bytes) -> dict[str, Ask]:
    """The requests that are compared, by name."""
    headers = {"Content-Type": "image/jpeg"}
    return {
        "identify": lambda client, _: client.post("/identify", content=image, headers=headers),
        "nearest words": lambda client, n: client.get(f"/words/{_WORDS[n % len(_WORDS)]}/nearest"),
    }


def measure(
    clients: dict[str, httpx2.Client], ask: Ask, rounds: int
) -> dict[str, tuple[float, float]]:
    """Medians by service, in milliseconds: the whole request, and its `search` stage."""
    whole: dict[str, list[float]] = defaultdict(list)
    search: dict[str, list[float]] = defaultdict(list)
    for round_number in range(rounds + 1):
        for name, client in clients.items():
            for number in range(_TURN):
                began = perf_counter()
                answer = ask(client, number).raise_for_status()
                spent = (perf_counter() - began) * 1000
                if round_number:  # the first round warms up
                    whole[name].append(spent)
                    stages = dict(
                        p.split(";dur=") for p in answer.headers["Server-Timing"].split(", ")
                    )
                    search[name].append(float(stages["search"]))
    return {
        name: (float(np.median(whole[name])), float(np.median(search[name]))) for name in clients
    }


def main() -> None:
    """Start both services, measure in turns, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    image = photo()
    rows = []
    with ExitStack() as stack:
        clients = {
            name: stack.enter_context(service(checkout.resolve(), options.people, image))
            for name, checkout in (("other", options.other), ("this", PROJECT))
        }
        for name, ask in requests(image).items():
            found = measure(clients, ask, options.rounds)
            ratios = [
                this / other
                for this, other in zip(*(found[n] for n in ("this", "other")), strict=True)
            ]
            rows.append((name, *found["other"], *found["this"], *ratios))
    conditions(f"this checkout beside {options.other}, {options.people} people")
    columns = ("request", "other ms", "its search", "this ms", "its search", "ratio", "of search")
    table(columns, rows)


if __name__ == "__main__":
    main()
