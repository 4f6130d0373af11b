"""An installation for the tests of `sima doctor`, and what they look at."""

import hashlib
import json
from pathlib import Path
from typing import Any

from sqlalchemy import text
from typer.testing import CliRunner

from app.cli import app
from app.inference.manifest import read_manifest
from app.settings import Settings
from app.store.collections import create_collection, get_collection, lock_collection
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY
from app.store.people import NewPerson, add_person
from app.wiring.services import open_database, open_store
from tests.conftest import make_settings
from tests.store.galleries import SPACE, add


def fill(settings: Settings) -> None:
    database, index_sync = open_store(settings)
    upgrade(database)
    with database.write() as session:
        create_collection(session, "people", GALLERY, SPACE)
    add(database, 1)
    index_sync.close()
    database.close()
    write_snapshot(settings)


def write_snapshot(settings: Settings) -> None:
    """Brings the index of the gallery up to date and writes its snapshot."""
    database, index_sync = open_store(settings)
    with database.read() as session:
        index_sync.size(session, get_collection(session, "people"))
    index_sync.close()
    database.close()


def doctor(*options: str, code: int) -> dict[str, Any]:
    """Runs `sima doctor --json`; returns what it printed."""
    result = CliRunner().invoke(app, ["doctor", "--json", *options])
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def problems(found: dict[str, Any]) -> dict[str, str]:
    """Problems by subject, without the one of the test gallery, which has a space of its own."""
    return {
        one["subject"]: f"{one['text']}; {one['remedy']}"
        for one in found["findings"]
        if one["level"] == "problem" and one["subject"] != "gallery"
    }


def own_model(settings: Settings) -> None:
    """Makes the gallery belong to the model in force."""
    space = read_manifest(settings.face_model_dir).space
    database = open_database(settings)
    with database.write() as session:
        session.execute(text("UPDATE embedding_spaces SET digest = :d"), {"d": space.digest})
    database.close()


def set_metadata(settings: Settings, *raw: str) -> list[str]:
    """Adds a person per JSON text, past all checks; returns their ids."""
    database = open_database(settings)
    ids = []
    for one in raw:
        with database.write() as session:
            gallery = lock_collection(session, get_collection(session, "people"))
            person = add_person(session, gallery, NewPerson("P", None, {}))
            session.execute(
                text("UPDATE entries SET metadata = :m WHERE id = :i"),
                {"m": one, "i": person.row_id},
            )
            ids.append(person.person_id)
    database.close()
    return ids


def stored_metadata(settings: Settings, person_id: str) -> str:
    """The text of the column."""
    database = open_database(settings)
    with database.read() as session:
        query = text("SELECT metadata FROM entries WHERE public_id = :i")
        found = str(session.scalar(query, {"i": person_id}))
    database.close()
    return found


def content(folder: Path) -> dict[str, str]:
    """Digests and modes of all files, to show that nothing was changed; SQLite's -shm is memory."""
    return {
        str(path): f"{path.stat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def make_key(key: str) -> Any:
    """The value of the setting."""
    return make_settings(Path(), encryption_keys=key).encryption_keys
