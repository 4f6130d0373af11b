"""What the store promises, under the worst: `make torture`.

python -m benchmarks.torture [--seconds 60] [--clients 50] [--workers 4] [--database URL]

First a service with several workers: clients enroll, identify, rename and delete the same people
at once. Then a writer that is killed with SIGKILL at random moments until a thousand enrollments
were acknowledged. Prints counts; exit status 1 if one that must be zero is not.
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
from app.store.people import NewPerson, add_person, add_template
from app.vectors import EmbeddingSpace, l2_normalize
from app.wiring.services import open_store
from benchmarks.report import conditions, table
from harness.photos import find_portraits
from harness.servers import running

_DIMENSION = 512


@dataclass
class Seen:
    """What the clients were told. `alive` and `gone` are person ids, with when it was said."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    counts: Counter[str] = field(default_factory=Counter)
    alive: dict[str, str] = field(default_factory=dict)  # id -> the name last acknowledged
    gone: dict[str, float] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)  # being renamed or deleted by a client

    def count(self, what: str) -> None:
        """One more."""
        with self.lock:
            self.counts[what] += 1


class Client:
    """One of many, with a connection of its own."""

    def __init__(self, url: str, photos: list[bytes], seen: Seen, seed: int) -> None:
        self._http = httpx2.Client(base_url=url, timeout=120.0)
        self._photos, self._seen, self._random = photos, seen, random.Random(seed)  # noqa: S311 - no secret

    def run(self, deadline: float) -> None:
        """One thing after the other until it is time."""
        steps = [self._enroll, self._enroll, self._identify, self._rename, self._delete]
        while time.monotonic() < deadline:
            self._random.choice(steps)()

    def _say(self, method: str, path: str, **more: object) -> httpx2.Response:
        answer = self._http.request(method, path, **more)  # type: ignore[arg-type]  # passed on
        self._seen.count("requests")
        if answer.status_code >= 500:
            self._seen.count("5xx")
        return answer

    def _photo(self) -> dict[str, tuple[str, bytes, str]]:
        return {"image": ("photo", self._random.choice(self._photos), "image/jpeg")}

    def _enroll(self) -> None:
        """Sent twice with one key, as a client does that lost the first answer."""
        name, key, photo = f"n{token_hex(4)}", token_hex(8), self._photo()
        fields = {"name": name, "on_duplicate": "allow"}
        ids = set()
        for _ in range(2):
            answer = self._say(
                "POST", "/enroll", files=photo, data=fields, headers={"Idempotency-Key": key}
            )
            if answer.status_code == 201:
                ids.add(answer.json()["person_id"])
        with self._seen.lock:
            self._seen.counts["enrolled"] += bool(ids)
            self._seen.counts["duplicated"] += max(0, len(ids) - 1)
            self._seen.alive.update((one, name) for one in ids)

    def _identify(self) -> None:
        with self._seen.lock:
            before = dict(self._seen.gone)
        began = time.monotonic()
        answer = self._say("POST", "/identify", files=self._photo(), data={"top_k": "20"})
        if answer.status_code != 200:
            return
        for face in answer.json()["faces"]:
            for row in face["candidates"]:
                if before.get(row["person_id"], began) < began:
                    self._seen.count("ghosts")

    def _take(self) -> str | None:
        """A person whom no other client is changing."""
        with self._seen.lock:
            free = sorted(set(self._seen.alive) - self._seen.busy)
            if not free:
                return None
            person = self._random.choice(free)
            self._seen.busy.add(person)
            return person

    def _rename(self) -> None:
        person, name = self._take(), f"r{token_hex(4)}"
        if person is None:
            return
        answer = self._say("PATCH", f"/persons/{person}", json={"name": name})
        found = self._say("GET", f"/persons/{person}")
        with self._seen.lock:
            self._seen.busy.discard(person)
            if answer.status_code == 200:
                self._seen.alive[person] = name
                self._seen.counts["renamed"] += 1
        if found.status_code != 200 or found.json()["name"] != name:
            self._seen.count("lost updates")

    def _delete(self) -> None:
        person = self._take()
        if person is None:
            return
        answer = self._say("DELETE", f"/persons/{person}")
        if answer.status_code == 204:
            with self._seen.lock:
                self._seen.gone[person] = time.monotonic()
                self._seen.alive.pop(person)
                self._seen.counts["deleted"] += 1


def storm(options: argparse.Namespace, folder: Path) -> Counter[str]:
    """Many clients, several workers, one gallery."""
    seen, photos = Seen(), [find_portraits()[name] for name in ("obama", "obama2", "biden")]
    environment = {} if options.database is None else {"SIMA_DATABASE_URL": options.database}
    with running(folder, "--workers", str(options.workers), **environment) as server:
        deadline = time.monotonic() + options.seconds
        with ThreadPoolExecutor(options.clients) as pool, tqdm(desc="storm", unit="s") as bar:
            work = [
                pool.submit(Client(server.url, photos, seen, number).run, deadline)
                for number in range(options.clients)
            ]
            while time.monotonic() < deadline:
                time.sleep(1.0)
                bar.update(1)
            for one in work:
                one.result()
        with httpx2.Client(base_url=server.url, timeout=60.0) as client:
            for person, name in seen.alive.items():
                answer = client.get(f"/persons/{person}")
                kept = answer.status_code == 200 and answer.json()["name"] == name
                seen.counts["found" if kept else "lost"] += 1
            for person in seen.gone:
                seen.counts["ghosts"] += client.get(f"/persons/{person}").status_code != 404
    return seen.counts


def write(folder: Path) -> None:
    """The writer that is killed: an enrollment a transaction, its id on standard output."""
    database, _ = open_store(Settings(_env_file=None, data_dir=folder))
    rng = np.random.default_rng()
    while True:
        with database.write() as session:
            gallery = lock_collection(session, get_collection(session, "killed", GALLERY))
            person = add_person(session, gallery, NewPerson("somebody", None, {}))
            vector = l2_normalize(rng.standard_normal(_DIMENSION, dtype=np.float32))
            add_template(session, gallery, person, vector, 1.0)
        print(person.person_id, flush=True)


def kills(folder: Path, wanted: int) -> Counter[str]:
    """Kill the writer again and again; everything it acknowledged is there, and whole."""
    settings = Settings(_env_file=None, data_dir=folder)
    ensure_schema(settings)
    database, projection = open_store(settings)
    with database.write() as session:
        create_collection(session, "killed", GALLERY, EmbeddingSpace("t", "torture", _DIMENSION))
    said: set[str] = set()
    counts: Counter[str] = Counter()
    with tqdm(desc="kills", total=wanted) as bar:
        while len(said) < wanted:
            command = [sys.executable, "-m", "benchmarks.torture", "--write", str(folder)]
            writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            said_by = cast(IO[str], writer.stdout)
            lines = random.randint(1, 60)  # noqa: S311 - when it dies, not what it keeps
            for _ in range(lines):
                said.add(said_by.readline().strip())
            time.sleep(random.random() * 0.01)  # noqa: S311 - somewhere within the next one
            writer.send_signal(signal.SIGKILL)
            # What it still said before it died counts, a line that was cut off does not.
            said |= {line.strip() for line in said_by if line.endswith("\n")}
            writer.wait()
            counts["kills"] += 1
            bar.update(min(len(said), wanted) - bar.n)
    with database.read() as session:
        gallery = get_collection(session, "killed", GALLERY)
        mine = EntryRow.collection_id == gallery.row_id
        kept = set(session.scalars(select(EntryRow.public_id).where(mine)))
        whole = select(func.count(TemplateRow.entry_id.distinct()))
        templates = session.scalar(whole.where(TemplateRow.collection_id == gallery.row_id)) or 0
        counts["acknowledged"] = len(said)
        counts["found"] = len(said & kept)
        counts["lost"] = len(said - kept)
        counts["half done"] = len(kept) - templates + abs(gallery.size - len(kept))
    compared = projection.compare(database, gallery)
    counts["index differs"] = compared.missing + compared.extra + compared.changed
    projection.close()
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
    """Both parts, and one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--enrollments", type=int, default=1_000, help="of the writer that dies")
    parser.add_argument("--database", help="for the first part; SQLite when absent")
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
