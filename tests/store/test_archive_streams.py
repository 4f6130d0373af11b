"""Archives are written and read some people at a time, whatever their size."""

import hashlib
import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, select

from app.crypto.keyring import Keyring, new_key, read_keys
from app.crypto.signing import Signer
from app.errors import ExternalIdTaken
from app.store.archive import export_gallery, import_gallery
from app.store.collections import change_size, create_collection, get_collection
from app.store.db.database import Database
from app.store.db.encryption import encrypt_vector
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY, EntryRow, TemplateRow
from app.store.detections import add_detections, read_detections
from app.store.people import list_persons
from app.store.person_search import EVERYBODY, PersonSearch
from app.store.templates import list_templates, read_vectors
from app.vectors import EmbeddingSpace, Matrix, l2_normalize
from tests.store.test_detections import DETECTION

PEOPLE, PHOTOS, DIMENSION = 2_000, 5, 512
SPACE = EmbeddingSpace("test", "sha256:test", DIMENSION)
_MEGABYTE = 1 << 20
Keys = Callable[[], Keyring]


def no_keys() -> Keyring:
    """An installation without encryption."""
    return Keyring()


def one_key() -> Keyring:
    """An installation with encryption."""
    return Keyring(read_keys(new_key(), None))


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    """The key of the installation."""
    return Signer.load_or_create(tmp_path / "signing.key")


def open_store(file: Path, keyring: Keyring) -> Database:
    """A migrated database without collections."""
    database = Database(f"sqlite:///{file}", keyring)
    upgrade(database)
    return database


def fill(database: Database, vectors: Matrix, external_ids: Sequence[str]) -> None:
    """Creates the gallery `people`, with as many templates a person as there are vectors."""
    photos = len(vectors) // len(external_ids)
    with database.write() as session:
        gallery = create_collection(session, "people", GALLERY, SPACE)
        owner = {"collection_id": gallery.row_id}
        session.execute(
            insert(EntryRow),
            [
                {"public_id": f"p{i}", "name": f"P{i}", "external_id": external_id} | owner
                for i, external_id in enumerate(external_ids)
            ],
        )
        row_ids = session.scalars(select(EntryRow.row_id).order_by(EntryRow.row_id)).all()
        session.execute(
            insert(TemplateRow),
            [
                {"public_id": f"t{i}", "entry_id": row_ids[i // photos], "quality": 0.5}
                | {"vector": encrypt_vector(session, f"t{i}", vector)}
                | owner
                for i, vector in enumerate(vectors)
            ],
        )
        change_size(session, gallery, len(external_ids))


def peak_memory(work: Callable[[], object]) -> float:
    """The most memory that `work` allocated at a time, in megabytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / _MEGABYTE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("keys", [no_keys, one_key], ids=["plain", "encrypted"])
def test_a_large_gallery_is_exported_and_imported_in_little_memory(
    tmp_path: Path, signer: Signer, keys: Keys
) -> None:
    """The 10,000 vectors alone have 20 megabytes."""
    keyring, file = keys(), tmp_path / "gallery.sima"
    rng = np.random.default_rng(1)
    vectors = l2_normalize(rng.standard_normal((PEOPLE * PHOTOS, DIMENSION)))
    source = open_store(tmp_path / "source.db", keyring)
    fill(source, vectors, [f"x{i}" for i in range(PEOPLE)])
    target = open_store(tmp_path / "target.db", keyring)
    assert peak_memory(lambda: export_gallery(source, "people", file, signer)) < 10
    assert peak_memory(lambda: import_gallery(target, file, None, signer, None)) < 10
    with target.read() as session:
        gallery = get_collection(session, "people", GALLERY)
        stored = np.concatenate([rows for _, rows in read_vectors(session, gallery)])
        assert np.array_equal(stored, vectors.astype(np.float32))
        [last] = list_persons(session, gallery, PersonSearch(external_id=f"x{PEOPLE - 1}"), 0, 10)
        assert (last.person_id, last.name, last.photos) == (f"p{PEOPLE - 1}", f"P{PEOPLE - 1}", 5)
        assert gallery.size == PEOPLE


def test_people_far_apart_who_share_an_external_id_are_refused(
    tmp_path: Path, signer: Signer
) -> None:
    keyring, file = no_keys(), tmp_path / "gallery.sima"
    source = open_store(tmp_path / "source.db", keyring)
    with source.write() as session:
        session.connection().exec_driver_sql("DROP INDEX uq_entries_external_id")
    external_ids = [f"x{i}" for i in range(1_500)]
    external_ids[1_400] = "x3"
    fill(source, np.eye(1, DIMENSION, dtype=np.float32).repeat(1_500, axis=0), external_ids)
    export_gallery(source, "people", file, signer)
    target = open_store(tmp_path / "target.db", keyring)
    with pytest.raises(ExternalIdTaken, match="the people p3 and p1400"):
        import_gallery(target, file, None, signer, None)
    with target.read() as session:
        assert session.scalar(select(EntryRow.row_id).limit(1)) is None


@pytest.mark.parametrize("keys", [no_keys, one_key], ids=["plain", "encrypted"])
def test_detections_are_exported_and_imported(tmp_path: Path, signer: Signer, keys: Keys) -> None:
    """Beside the original, templates have other ids, which the encryption is bound to."""
    keyring, file = keys(), tmp_path / "gallery.sima"
    database = open_store(tmp_path / "source.db", keyring)
    vectors = np.random.default_rng(1).standard_normal((4, DIMENSION))
    fill(database, l2_normalize(vectors).astype(np.float32), ["a", "b"])
    with database.write() as session:
        first = session.scalars(select(TemplateRow.row_id).order_by(TemplateRow.row_id)).first()
        assert first is not None
        add_detections(session, [(first, "t0", DETECTION)])
    export_gallery(database, "people", file, signer)
    import_gallery(database, file, "copy", signer, None)
    with database.read() as session:
        people = list_persons(session, get_collection(session, "copy", GALLERY), EVERYBODY, 0, 10)
        templates = [one for p in people for one in list_templates(session, p.person_id)]
        found = read_detections(session, templates)
        assert [found.get(one.template_id) for one in templates] == [DETECTION, None, None, None]
        assert templates[0].template_id != "t0"


@pytest.mark.parametrize("keys", [no_keys, one_key], ids=["plain", "encrypted"])
def test_an_archive_of_version_1_can_be_imported(
    tmp_path: Path, signer: Signer, keys: Keys
) -> None:
    """Its parts were encrypted as a whole."""
    keyring, file = keys(), tmp_path / "gallery.sima"
    vectors = l2_normalize(np.random.default_rng(1).standard_normal((2, DIMENSION)))
    write_version_1(file, signer, keyring, vectors.astype(np.float32))
    target = open_store(tmp_path / "target.db", keyring)
    import_gallery(target, file, "copy", signer, None)
    with target.read() as session:
        gallery = get_collection(session, "copy", GALLERY)
        [ada] = list_persons(session, gallery, PersonSearch("Ada"), 0, 10)
        assert (ada.person_id, ada.metadata, ada.photos) == ("p1", {"a": 1}, 2)
        [(_, stored)] = read_vectors(session, gallery)
        assert np.array_equal(stored, vectors.astype(np.float32))


def write_version_1(file: Path, signer: Signer, keyring: Keyring, vectors: Matrix) -> None:
    """Writes a person with two templates as the first version of the format did."""
    created = "2026-01-02T03:04:05+00:00"
    templates = [
        {"template_id": name, "quality": 0.5, "created_at": created} for name in ("t1", "t2")
    ]
    person = {"person_id": "p1", "name": "Ada", "external_id": None, "metadata": {"a": 1}}
    line = json.dumps({**person, "created_at": created, "templates": templates}) + "\n"
    array = io.BytesIO()
    np.save(array, vectors)
    parts = {"people.jsonl": line.encode(), "templates.npy": array.getvalue()}
    if keyring:
        parts = {name: keyring.encrypt(part, f"archive {name}") for name, part in parts.items()}
    numbers = {"version": 1, "dimension": DIMENSION, "people": 1, "templates": 2}
    names = {"collection": "people", "model": "test", "model_digest": "sha256:test"}
    digests = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
    manifest = {**numbers, **names, "sealed": bool(keyring), "created_at": created}
    written = json.dumps({**manifest, "signer": signer.public, "digests": digests}).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
        archive.writestr("manifest.json", written)
        archive.writestr("signature", signer.sign(written))
