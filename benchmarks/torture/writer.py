"""Part two: a writer that is killed with SIGKILL; run as a module, it is that writer."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import IO, cast

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

_DIMENSION = 512


def write(folder: Path) -> None:
    """Enroll one person per transaction and print each person_id, until killed."""
    database, _ = open_store(Settings(_env_file=None, data_dir=folder))
    rng = np.random.default_rng()
    while True:
        with database.write() as session:
            gallery = lock_collection(session, get_collection(session, "killed", GALLERY))
            person = add_person(session, gallery, NewPerson("person", None, {}))
            vector = l2_normalize(rng.standard_normal(_DIMENSION, dtype=np.float32))
            add_template(session, gallery, person, vector, 1.0)
        print(person.person_id, flush=True)


def kill_one_writer(folder: Path) -> set[str]:
    """Start a writer and kill it at a random moment. Returns the acknowledged person ids."""
    command = [sys.executable, "-m", "benchmarks.torture.writer", str(folder)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = cast(IO[str], writer.stdout)
    acknowledged = set()
    for _ in range(random.randint(1, 60)):  # noqa: S311 - not a secret
        line = output.readline()
        if not line:
            raise RuntimeError(f"the writer ended with status {writer.wait()} before it was killed")
        acknowledged.add(line.strip())
    time.sleep(random.random() * 0.01)  # noqa: S311 - within the next transaction
    writer.send_signal(signal.SIGKILL)
    # Complete lines were acknowledged; an incomplete last line was not.
    acknowledged |= {line.strip() for line in output if line.endswith("\n")}
    writer.wait()
    return acknowledged


def run_writer(folder: Path, wanted: int) -> Counter[str]:
    """Kill the writer until it acknowledged `wanted` enrollments. Returns the counts."""
    settings = Settings(_env_file=None, data_dir=folder)
    ensure_schema(settings)
    database, index_sync = open_store(settings)
    with database.write() as session:
        create_collection(session, "killed", GALLERY, EmbeddingSpace("t", "torture", _DIMENSION))
    counts: Counter[str] = Counter()
    acknowledged: set[str] = set()
    with tqdm(desc="kills", total=wanted) as bar:
        while len(acknowledged) < wanted:
            acknowledged |= kill_one_writer(folder)
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


if __name__ == "__main__":
    write(Path(sys.argv[1]))
