"""Imports an archive as one gallery after another, until it is killed; run it as a module.

python -m benchmarks.torture.archive_importer DATABASE_URL ARCHIVE
"""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import IO, cast

import numpy as np

from app.crypto.signing import Signer
from app.errors import Overloaded
from app.store.archive import export_gallery, import_gallery
from app.store.collections import create_collection, get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY
from app.store.people import NewPerson, add_person
from app.store.templates import add_template
from app.vectors import EmbeddingSpace, l2_normalize

PEOPLE = 300
_DIMENSION, _PAUSE_SECONDS = 64, 1.0


def write_archive(folder: Path) -> Path:
    """Writes an archive of PEOPLE random people, and the key that signed it beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    file, database = folder / "people.sima", Database(f"sqlite:///{folder / 'people.db'}")
    upgrade(database)
    rng = np.random.default_rng(0)
    with database.write() as session:
        create_collection(session, "people", GALLERY, EmbeddingSpace("t", "torture", _DIMENSION))
        gallery = lock_collection(session, get_collection(session, "people", GALLERY))
        for number in range(PEOPLE):
            person = add_person(session, gallery, NewPerson(f"P{number}", str(number), {}))
            vector = l2_normalize(rng.standard_normal(_DIMENSION, dtype=np.float32))
            add_template(session, gallery, person, vector, 1.0)
    export_gallery(database, "people", file, _signer(file))
    database.close()
    return file


def import_repeatedly(url: str, archive: Path) -> None:
    """Imports the archive under new names and prints each name, until killed."""
    database = Database(url)
    while True:
        with suppress(Overloaded):
            name = f"a{token_hex(6)}"
            import_gallery(database, archive, name, _signer(archive), None)
            print(name, flush=True)
        time.sleep(_PAUSE_SECONDS)


def start_importer(url: str, archive: Path) -> "subprocess.Popen[str]":
    """Starts the process."""
    command = [sys.executable, "-m", "benchmarks.torture.archive_importer", url, str(archive)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def kill_importer(process: "subprocess.Popen[str]") -> set[str]:
    """Kills the process with SIGKILL; returns the names of the acknowledged galleries.

    Raises RuntimeError if it had ended before.
    """
    if process.poll() is not None:
        raise RuntimeError(
            f"the import ended with status {process.returncode} before it was killed"
        )
    process.kill()
    # Complete lines were acknowledged; an incomplete last line was not.
    names = {line.strip() for line in cast(IO[str], process.stdout) if line.endswith("\n")}
    process.wait()
    return names


def _signer(archive: Path) -> Signer:
    return Signer.load_or_create(archive.with_suffix(".key"))


if __name__ == "__main__":
    import_repeatedly(sys.argv[1], Path(sys.argv[2]))
