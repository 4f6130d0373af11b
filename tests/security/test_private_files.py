"""Only the owner can use the files of an installation, and snapshots of people are encrypted."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from app.cli import app
from app.crypto.keyring import new_key
from app.settings import Settings
from app.store.collections import create_collection, get_collection
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY, TemplateRow
from app.store.people import NewPerson, add_person
from app.store.shadow import get_shadow, open_shadow
from app.store.shadow_templates import ShadowTemplate, StoredPhoto, add_shadow_templates
from app.store.templates import add_template
from app.vectors import EmbeddingSpace, l2_normalize
from app.wiring.services import open_database, open_store
from harness.servers import Server
from tests.conftest import make_settings

SPACE = EmbeddingSpace("test", "sha256:test", 32)
SHADOW_SPACE = EmbeddingSpace("other", "sha256:other", 32)
VECTOR, SHADOW_VECTOR = l2_normalize(np.random.default_rng(0).normal(size=(2, 32)))


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    """New files are readable by everybody unless the program says otherwise."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(*roots: Path) -> dict[str, str]:
    """Modes, in octal, of the roots and everything below them, by name."""
    paths = [path for root in roots for path in (root, *root.rglob("*"))]
    return {path.name: f"{path.stat().st_mode & 0o777:o}" for path in paths}


def sima(*arguments: object) -> str:
    """Runs a command that must succeed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def plain_installation(settings: Settings) -> list[Path]:
    """A gallery and its shadow collection without encryption; returns their two snapshots."""
    database, index = open_store(settings)
    upgrade(database)
    with database.write() as session:
        gallery = create_collection(session, "people", GALLERY, SPACE)
        person = add_person(session, gallery, NewPerson("P", None, {}))
        add_template(session, gallery, person, VECTOR, 0.9)
        row = session.scalars(select(TemplateRow)).one()
        shadow = open_shadow(session, "people", SHADOW_SPACE)
        photo = StoredPhoto(row.row_id, str(row.template_id), b"")
        add_shadow_templates(session, shadow, [ShadowTemplate(photo, SHADOW_VECTOR, 0.5)])
    with database.read() as session:
        gallery = get_collection(session, "people")
        shadow = get_shadow(session, gallery)
        assert (index.size(session, gallery), index.size(session, shadow)) == (1, 1)
    index.close()
    database.close()
    folder = settings.data_dir / "index"
    return [folder / f"collection-{one.row_id}.faiss" for one in (gallery, shadow)]


def files_with_vectors(folder: Path) -> list[str]:
    """Names of the files that contain a vector in plain bytes."""
    needles = [vector.astype("<f4").tobytes() for vector in (VECTOR, SHADOW_VECTOR)]
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    return sorted(n for n, content in contents.items() if any(v in content for v in needles))


def test_a_new_installation_is_private(
    tmp_path: Path, photos: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Database with its log, snapshots and signing key; reports and archives outside."""
    data, person, outside = tmp_path / "new" / "data", tmp_path / "people" / "P", tmp_path / "out"
    person.mkdir(parents=True)
    outside.mkdir(mode=0o700)
    (person / "1.jpg").write_bytes(photos["obama"])
    monkeypatch.setenv("SIMA_DATA_DIR", str(data))
    report, archive = outside / "report.jsonl", outside / "people.sima"
    report.write_text("of an earlier run")  # readable by everybody
    sima("import", person.parent, "--report", report)
    sima("index", "rebuild")  # writes the snapshot
    sima("export", "default", archive)
    assert report.read_text().count("\n") == 1
    database = open_database(make_settings(data))
    with database.write() as session:
        session.execute(text("UPDATE collections SET size = size"))
        found = modes(tmp_path / "new", outside)
    database.close()
    folders = {"new", "data", "index", "out"}
    files = {"sima.db", "sima.db-wal", "sima.db-shm", "signing.key", "collection-1.faiss"}
    assert found == dict.fromkeys(folders, "700") | dict.fromkeys(
        {*files, "report.jsonl", "people.sima"}, "600"
    )


def test_a_failed_export_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The target is a folder, so that the finished archive cannot replace it."""
    settings = make_settings(tmp_path / "data")
    plain_installation(settings)
    monkeypatch.setenv("SIMA_DATA_DIR", str(settings.data_dir))
    target = tmp_path / "out" / "people.sima"
    target.mkdir(parents=True)
    result = CliRunner().invoke(app, ["export", "people", str(target)])
    assert result.exit_code == 1
    assert [path.name for path in target.parent.iterdir()] == ["people.sima"]


def test_the_start_restricts_permissions_and_encrypts_snapshots(tmp_path: Path) -> None:
    """An installation of an earlier version, with keys since. Copies of the snapshots stand for
    those of a deleted collection and of a process that was killed while it wrote one."""
    data, log = tmp_path / "data", tmp_path / "log"
    [gallery, shadow] = plain_installation(make_settings(data))
    for name in ("collection-99.faiss", "collection-1.4711.new"):
        (data / "index" / name).write_bytes(shadow.read_bytes())
    (data / "notes.txt").write_text("not a file of the service")
    for path in (data, *data.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert len(files_with_vectors(data / "index")) == 4

    server = Server(data, log=log, SIMA_ENCRYPTION_KEYS=new_key())
    try:
        server.wait_until_ready()
        assert files_with_vectors(data / "index") == []
        wide = {name for name, mode in modes(data).items() if mode not in ("600", "700")}
        assert wide == {"notes.txt"}
        server.stop()  # writes the snapshots of both collections again, encrypted
        assert all(b'"encrypted": true' in file.read_bytes() for file in (gallery, shadow))
    finally:
        server.kill()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    [line] = [event for event in events if event["event"] == "permissions_restricted"]
    assert line["paths"] == 7, "the folders, the database and the files in the index folder"
    assert [e["files"] for e in events if e["event"] == "unencrypted_snapshots_deleted"] == [4]


def test_a_plain_snapshot_newer_than_a_restored_database_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would never be replaced: a snapshot is written only if the file has no higher revision."""
    settings = make_settings(tmp_path / "data")
    plain_installation(settings)
    database = open_database(settings)
    with database.write() as session:
        session.execute(text("UPDATE collections SET revision = 0"))
    database.close()
    monkeypatch.setenv("SIMA_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", new_key())
    sima("collections", "show", "people")
    assert files_with_vectors(settings.data_dir / "index") == []


def test_vocabularies_keep_their_snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors of words are not personal data; a rebuild at every start would cost time."""
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", new_key())
    (tmp_path / "words.txt").write_text("red 1 0\nblue 0 1\n")
    sima("words", "import", tmp_path / "words.txt", "--name", "colours")
    sima("index", "rebuild")
    [file] = [
        p
        for p in (tmp_path / "data" / "index").iterdir()
        if b'"encrypted": false' in p.read_bytes()
    ]
    written = file.stat().st_mtime_ns
    sima("collections", "show", "colours")
    assert file.stat().st_mtime_ns == written


def test_a_data_folder_shared_with_other_programs_keeps_its_mode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIMA_DATA_DIR=/tmp must not close /tmp to everybody else."""
    data = tmp_path / "tmp"
    data.mkdir()
    data.chmod(0o1777)
    plain_installation(make_settings(data))
    (data / "sima.db").chmod(0o644)
    monkeypatch.setenv("SIMA_DATA_DIR", str(data))
    sima("collections", "show", "people")
    assert data.stat().st_mode & 0o7777 == 0o1777
    assert (data / "sima.db").stat().st_mode & 0o777 == 0o600
