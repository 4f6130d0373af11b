"""Measures how long purging deleted people from SQLite takes, by the size of the database.

    python -m benchmarks.erasure_cost [--people 1000,10000,100000]

The people have a name, an external id, metadata and one template of 256 floats; one of them is
deleted before each round of housekeeping. The CPU time is that of this process, whatever else the
machine does. Reads continue during a rewrite, writes wait for it.
"""

import argparse
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from app.index.exact import ExactIndex
from app.store.collections import create_collection
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY
from app.store.erasures import delete_person
from app.store.housekeeping import Housekeeper
from app.store.index_sync import IndexSync
from app.vectors import EmbeddingSpace
from benchmarks.report import conditions, table

_DIMENSION = 256
_PEOPLE = text(
    """WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT :people)
    INSERT INTO entries (public_id, collection_id, name, external_id, metadata, created_at)
    SELECT lower(hex(randomblob(12))), 1, 'Person ' || hex(randomblob(8)), 'staff-' || n,
    '{"department": "' || hex(randomblob(8)) || '"}', '2026-01-01 00:00:00' FROM numbers"""
)
_TEMPLATES = text(
    "INSERT INTO templates (public_id, collection_id, entry_id, vector, quality, created_at) "
    "SELECT lower(hex(randomblob(12))), 1, id, randomblob(:bytes), 0.9, created_at FROM entries"
)


def measure(people: int) -> tuple[int, float, float, float]:
    """People, size of the file in MB, CPU and wall time of a round in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sima.db"
        database = Database(f"sqlite:///{file}")
        upgrade(database)
        with database.write() as session:
            space = EmbeddingSpace("benchmark", "sha256:benchmark", _DIMENSION)
            create_collection(session, "people", GALLERY, space)
            session.execute(_PEOPLE, {"people": people})
            session.execute(_TEMPLATES, {"bytes": 4 * _DIMENSION})
            session.execute(text("UPDATE collections SET size = :people"), {"people": people})
        index_sync = IndexSync(lambda _collection: ExactIndex(_DIMENSION))
        housekeeper = Housekeeper(database, index_sync, 300.0)
        housekeeper.run()
        with database.write() as session:
            person_id = session.scalar(text("SELECT public_id FROM entries LIMIT 1"))
            delete_person(session, str(person_id), timedelta(minutes=10))
        size = file.stat().st_size / 1e6
        began, cpu = time.perf_counter(), time.process_time()
        if not housekeeper.run():
            raise RuntimeError("the file was not rewritten")
        spent = (time.process_time() - cpu) * 1e3, (time.perf_counter() - began) * 1e3
        database.close()
    return people, size, *spent


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", default="1000,10000,100000")
    options = parser.parse_args()
    rows = [measure(int(people)) for people in options.people.split(",")]
    conditions("a round of housekeeping after a deletion, SQLite")
    table(("people", "MB", "CPU ms", "wall ms"), rows)


if __name__ == "__main__":
    main()
