"""Part one: concurrent clients that change the same people on several workers."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import httpx2
from tqdm import tqdm

from harness.photos import find_portraits
from harness.servers import running


@dataclass(frozen=True, slots=True)
class Load:
    """Number of workers and clients, duration, and database URL (None: SQLite)."""

    seconds: float
    clients: int
    workers: int
    database: str | None


@dataclass
class Observed:
    """The responses that the clients received, shared by all of them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    counts: Counter[str] = field(default_factory=Counter)
    alive: dict[str, str] = field(default_factory=dict)  # person_id -> acknowledged name
    deleted: dict[str, float] = field(default_factory=dict)  # person_id -> acknowledged when
    busy: set[str] = field(default_factory=set)  # person ids in use by a client

    def count(self, what: str) -> None:
        """Increment the count `what`."""
        with self.lock:
            self.counts[what] += 1


class Client:
    """A client with a separate connection that sends random requests."""

    def __init__(self, url: str, photos: list[bytes], observed: Observed, seed: int) -> None:
        self._http = httpx2.Client(base_url=url, timeout=120.0)
        self._photos, self._observed, self._random = photos, observed, random.Random(seed)  # noqa: S311 - no secret

    def run(self, deadline: float) -> None:
        """Send random requests until `deadline`."""
        steps = [self._enroll, self._enroll, self._identify, self._rename, self._delete]
        while time.monotonic() < deadline:
            self._random.choice(steps)()

    def _send(self, method: str, path: str, **more: object) -> httpx2.Response:
        answer = self._http.request(method, path, **more)  # type: ignore[arg-type]  # untyped keywords
        self._observed.count("requests")
        if answer.status_code >= 500:
            self._observed.count("5xx")
        return answer

    def _photo(self) -> dict[str, tuple[str, bytes, str]]:
        return {"image": ("photo", self._random.choice(self._photos), "image/jpeg")}

    def _enroll(self) -> None:
        """Send one enrollment twice with one key, like a client that lost the first response."""
        name, key, photo = f"n{token_hex(4)}", token_hex(8), self._photo()
        fields = {"name": name, "on_duplicate": "allow"}
        ids = set()
        for _ in range(2):
            answer = self._send(
                "POST", "/enroll", files=photo, data=fields, headers={"Idempotency-Key": key}
            )
            if answer.status_code == 201:
                ids.add(answer.json()["person_id"])
        with self._observed.lock:
            self._observed.counts["enrolled"] += bool(ids)
            self._observed.counts["duplicated"] += max(0, len(ids) - 1)
            self._observed.alive.update((one, name) for one in ids)

    def _identify(self) -> None:
        with self._observed.lock:
            before = dict(self._observed.deleted)
        began = time.monotonic()
        answer = self._send("POST", "/identify", files=self._photo(), data={"top_k": "20"})
        if answer.status_code != 200:
            return
        for face in answer.json()["faces"]:
            for row in face["candidates"]:
                if before.get(row["person_id"], began) < began:
                    self._observed.count("ghosts")

    def _reserve(self) -> str | None:
        """Reserve a person whom no other client is changing; None if there is none."""
        with self._observed.lock:
            free = sorted(set(self._observed.alive) - self._observed.busy)
            if not free:
                return None
            person = self._random.choice(free)
            self._observed.busy.add(person)
            return person

    def _rename(self) -> None:
        person, name = self._reserve(), f"r{token_hex(4)}"
        if person is None:
            return
        answer = self._send("PATCH", f"/persons/{person}", json={"name": name})
        found = self._send("GET", f"/persons/{person}")
        with self._observed.lock:
            self._observed.busy.discard(person)
            if answer.status_code == 200:
                self._observed.alive[person] = name
                self._observed.counts["renamed"] += 1
        if found.status_code != 200 or found.json()["name"] != name:
            self._observed.count("lost updates")

    def _delete(self) -> None:
        person = self._reserve()
        if person is None:
            return
        answer = self._send("DELETE", f"/persons/{person}")
        if answer.status_code == 204:
            with self._observed.lock:
                self._observed.deleted[person] = time.monotonic()
                self._observed.alive.pop(person)
                self._observed.counts["deleted"] += 1


def run_clients(load: Load, folder: Path) -> Counter[str]:
    """Run a service in `folder` under this load. Returns the counts of requests and errors."""
    observed, photos = Observed(), [find_portraits()[name] for name in ("obama", "obama2", "biden")]
    environment = {} if load.database is None else {"SIMA_DATABASE_URL": load.database}
    with running(folder, "--workers", str(load.workers), **environment) as server:
        deadline = time.monotonic() + load.seconds
        with ThreadPoolExecutor(load.clients) as pool, tqdm(desc="clients", unit="s") as bar:
            work = [
                pool.submit(Client(server.url, photos, observed, number).run, deadline)
                for number in range(load.clients)
            ]
            while time.monotonic() < deadline:
                time.sleep(1.0)
                bar.update(1)
            for one in work:
                one.result()
        with httpx2.Client(base_url=server.url, timeout=60.0) as client:
            for person, name in observed.alive.items():
                answer = client.get(f"/persons/{person}")
                kept = answer.status_code == 200 and answer.json()["name"] == name
                observed.counts["found" if kept else "lost"] += 1
            for person in observed.deleted:
                observed.counts["ghosts"] += client.get(f"/persons/{person}").status_code != 404
    return observed.counts
