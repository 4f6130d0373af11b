"""Stress test of the store's guarantees under concurrency and SIGKILL: `make torture`.

python -m benchmarks.torture [--seconds 60] [--clients 50] [--workers 4] [--database URL]

Part one runs a service with several workers, while clients concurrently enroll, identify, rename
and delete the same people. Part two kills a writer with SIGKILL at random moments until a thousand
enrollments were acknowledged. Prints counts; the exit status is 1 if a count that must be zero is
not zero.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import IO, cast

import httpx2
import numpy as np
from sqlalchemy import func, select
from tqdm import tqdm

from app.commands.setup import ensure_schema
from app.settings import Settings
from app.store.collections import create_collection, get_collection, lock_collection
from app.store.db.tables import GALLERY, EntryRow, TemplateRow
from app.store.index_check import IndexCheck
from app.store.people import NewPerson, add_person
from app.store.templates import add_template
from app.vectors import EmbeddingSpace, l2_normalize
from app.wiring.services import open_store
from benchmarks.report import conditions, table
from harness.photos import find_portraits
from harness.servers import running

_DIMENSION = 512


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


def storm(options: argparse.Namespace, folder: Path) -> Counter[str]:
    """Part one: returns the counts of concurrent clients on one gallery."""
    observed, photos = Observed(), [find_portraits()[name] for name in ("obama", "obama2", "biden")]
    environment = {} if options.database is None else {"SIMA_DATABASE_URL": options.database}
    with running(folder, "--workers", str(options.workers), **environment) as server:
        deadline = time.monotonic() + options.seconds
        with ThreadPoolExecutor(options.clients) as pool, tqdm(desc="storm", unit="s") as bar:
            work = [
                pool.submit(Client(server.url, photos, observed, number).run, deadline)
                for number in range(options.clients)
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


def write(folder: Path) -> None:
    """The writer of part two: enrolls one person per transaction and prints each person_id."""
    database, _ = open_store(Settings(_env_file=None, data_dir=folder))
    rng = np.random.default_rng()
    while True:
        with database.write() as session:
            gallery = lock_collection(session, get_collection(session, "killed", GALLERY))
            person = add_person(session, gallery, NewPerson("person", None, {}))
            vector = l2_normalize(rng.standard_normal(_DIMENSION, dtype=np.float32))
            add_template(session, gallery, person, vector, 1.0)
        print(person.person_id, flush=True)


def kills(folder: Path, wanted: int) -> Counter[str]:
    """Part two: kill the writer repeatedly, then count acknowledged and stored enrollments."""
    settings = Settings(_env_file=None, data_dir=folder)
    ensure_schema(settings)
    database, index_sync = open_store(settings)
    with database.write() as session:
        create_collection(session, "killed", GALLERY, EmbeddingSpace("t", "torture", _DIMENSION))
    acknowledged: set[str] = set()
    counts: Counter[str] = Counter()
    with tqdm(desc="kills", total=wanted) as bar:
        while len(acknowledged) < wanted:
            command = [sys.executable, "-m", "benchmarks.torture", "--write", str(folder)]
            writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            output = cast(IO[str], writer.stdout)
            lines = random.randint(1, 60)  # noqa: S311 - not a secret
            for _ in range(lines):
                acknowledged.add(output.readline().strip())
            time.sleep(random.random() * 0.01)  # noqa: S311 - within the next transaction
            writer.send_signal(signal.SIGKILL)
            # Complete lines were acknowledged; an incomplete last line was not.
            acknowledged |= {line.strip() for line in output if line.endswith("\n")}
            writer.wait()
            counts["kills"] += 1
            bar.update(min(len(acknowledged), wanted) - bar.n)
    with database.read() as session:
        gallery = get_collection(session, "killed", GALLERY)
        mine = EntryRow.collection_id == gallery.row_id
        kept = set(session.scalars(select(EntryRow.public_id).where(mine)))
        whole = select(func.count(TemplateRow.entry_id.distinct()))
        templates = session.scalar(whole.where(TemplateRow.collection_id == gallery.row_id)) or 0
        counts["acknowledged"] = len(acknowledged)
        counts["found"] = len(acknowledged & kept)
        counts["lost"] = len(acknowledged - kept)
        counts["half done"] = len(kept) - templates + abs(gallery.size - len(kept))
    compared = IndexCheck(database, index_sync).compare(gallery)
    counts["index differs"] = compared.missing + compared.extra + compared.changed
    index_sync.close()
    database.close()
    return counts


_MUST_BE_ZERO = (
    "5xx",
    "lost",
    "lost updates",
    "duplicated",
    "ghosts",
    "half done",
    "index differs",
)


def main() -> None:
    """Run both parts and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument(
        "--enrollments", type=int, default=1_000, help="acknowledged enrollments of part two"
    )
    parser.add_argument("--database", help="database URL of part one; SQLite by default")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write is not None:
        write(options.write)
    with tempfile.TemporaryDirectory() as folder:
        stormed = storm(options, Path(folder) / "storm")
        killed = kills(Path(folder) / "killed", options.enrollments)
    store = "SQLite" if options.database is None else "PostgreSQL"
    conditions(
        f"{options.workers} workers, {options.clients} clients, {options.seconds:.0f} s, {store}; "
        f"then {killed['kills']} times SIGKILL"
    )
    rows = [
        (part, name, str(counts[name]))
        for part, counts, names in (
            ("storm", stormed, ("requests", "enrolled", "renamed", "deleted", "found")),
            ("storm", stormed, ("lost", "lost updates", "duplicated", "ghosts", "5xx")),
            ("kills", killed, ("acknowledged", "found", "lost", "half done", "index differs")),
        )
        for name in names
    ]
    table(("part", "what", "count"), rows)
    raise SystemExit(any(counts[name] for counts in (stormed, killed) for name in _MUST_BE_ZERO))


if __name__ == "__main__":
    main()
