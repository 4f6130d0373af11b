"""A gallery as one signed file: people, templates, space. It moves between any two engines.

A zip of `manifest.json`, `signature` (Ed25519 over the manifest), `people.jsonl` and
`templates.npy` (float32, one row a template, in the order of the people). The manifest holds
digests of both, so the one signature covers everything. With keys both are sealed.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.crypto.signing import Signer, check_signature
from app.errors import InvalidArchive
from app.store.collections import (
    Collection,
    change_size,
    create_collection,
    raise_largest_support_set,
    request_rebuild,
)
from app.store.db.encryption import (
    decrypt_metadata,
    decrypt_vectors,
    encrypt_metadata,
    encrypt_vector,
    keyring_of,
)
from app.store.db.tables import GALLERY, EntryRow, TemplateRow, now
from app.vectors import EmbeddingSpace, Matrix

VERSION = 1
_PEOPLE, _TEMPLATES = "people.jsonl", "templates.npy"
_BLOCK = 1_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive says of itself; `signer` is the public key in hexadecimal."""

    version: int
    collection: str
    model: str
    model_digest: str
    dimension: int
    people: int
    templates: int
    sealed: bool
    created_at: str
    signer: str
    digests: dict[str, str]


def write_archive(session: Session, collection: Collection, file: Path, signer: Signer) -> Manifest:
    """The gallery as the session sees it. Raises DecryptionFailed, OSError."""
    people, vectors = io.BytesIO(), []
    for line, rows in _people(session, collection):
        people.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        vectors.append(rows)
    size = collection.space.dimension
    matrix = np.concatenate(vectors) if vectors else np.empty((0, size), np.float32)
    templates = io.BytesIO()
    np.save(templates, matrix, allow_pickle=False)
    keyring = keyring_of(session)
    parts = {_PEOPLE: people.getvalue(), _TEMPLATES: templates.getvalue()}
    if keyring:
        parts = {name: keyring.encrypt(part, f"archive {name}") for name, part in parts.items()}
    manifest = Manifest(
        version=VERSION,
        collection=collection.name,
        model=collection.space.name,
        model_digest=collection.space.digest,
        dimension=size,
        people=len(vectors),
        templates=len(matrix),
        sealed=bool(keyring),
        created_at=now().isoformat(),
        signer=signer.public,
        digests={name: hashlib.sha256(part).hexdigest() for name, part in parts.items()},
    )
    written = json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()
    fresh = file.with_name(f"{file.name}.new")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", written)
        archive.writestr("signature", signer.sign(written))
        for name, part in parts.items():
            archive.writestr(name, part)
    fresh.replace(file)
    return manifest


def read_manifest(file: Path) -> Manifest:
    """The manifest, once its signature fits. Raises InvalidArchive, OSError."""
    with _opened(file) as archive:
        written = archive.read("manifest.json")
        manifest = _manifest(written)
        check_signature(manifest.signer, written, archive.read("signature"))
        return manifest


def read_archive(session: Session, file: Path, name: str | None) -> Collection:
    """A new gallery with everything in the archive, under its old name or another.

    People and templates keep their ids where these are free. Raises InvalidArchive,
    CollectionExists, DecryptionFailed, OSError; nothing is stored then.
    """
    manifest = read_manifest(file)
    with _opened(file) as archive:
        people, matrix = _parts(session, archive, manifest)
    space = EmbeddingSpace(manifest.model, manifest.model_digest, manifest.dimension)
    collection = create_collection(session, name or manifest.collection, GALLERY, space)
    row = 0
    for line in people:
        row += _add(session, collection, line, matrix[row:])
    if row != len(matrix):
        raise InvalidArchive("it has other templates than its people say")
    request_rebuild(session, collection)
    change_size(session, collection, len(people))
    largest = max((len(line["templates"]) for line in people), default=1)
    raise_largest_support_set(session, collection, largest)
    return collection


def _people(session: Session, collection: Collection) -> Iterator[tuple[dict[str, Any], Matrix]]:
    """Each person as a line of the archive, and their templates."""
    query = (
        select(EntryRow)
        .where(EntryRow.collection_id == collection.row_id)
        .order_by(EntryRow.row_id)
    )
    for entry in session.scalars(query.execution_options(yield_per=_BLOCK)):
        mine = select(TemplateRow).where(
            TemplateRow.entry_id == entry.row_id, TemplateRow.collection_id == collection.row_id
        )
        rows = list(session.scalars(mine.order_by(TemplateRow.row_id)))
        line = {
            "person_id": entry.public_id,
            "name": entry.name,
            "external_id": entry.external_id,
            "metadata": decrypt_metadata(session, str(entry.public_id), entry.attributes),
            "created_at": entry.created_at.isoformat(),
            "templates": [
                {
                    "template_id": row.template_id,
                    "quality": row.quality,
                    "created_at": row.created_at.isoformat(),
                }
                for row in rows
            ],
        }
        stored = [(row.public_id, row.vector) for row in rows]
        yield line, decrypt_vectors(session, stored, collection.space.dimension)


def _add(session: Session, collection: Collection, line: dict[str, Any], vectors: Matrix) -> int:
    """One person with their templates; how many these were."""
    try:
        templates = line["templates"]
        person_id = _free(session, EntryRow, line["person_id"])
        entry = EntryRow(
            public_id=person_id,
            collection_id=collection.row_id,
            name=line["name"],
            external_id=line["external_id"],
            attributes=encrypt_metadata(session, person_id, line["metadata"]),
            created_at=datetime.fromisoformat(line["created_at"]),
        )
        session.add(entry)
        session.flush()
        for one, vector in zip(templates, vectors[: len(templates)], strict=True):
            template_id = _free(session, TemplateRow, one["template_id"])
            session.add(
                TemplateRow(
                    public_id=template_id,
                    collection_id=collection.row_id,
                    entry_id=entry.row_id,
                    vector=encrypt_vector(session, template_id, vector),
                    quality=one["quality"],
                    created_at=datetime.fromisoformat(one["created_at"]),
                )
            )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidArchive("a person in it cannot be read") from error
    session.flush()
    return len(templates)


def _free(session: Session, table: type[EntryRow] | type[TemplateRow], wanted: str) -> str:
    """The public id, or a fresh one where it is taken: an archive beside its original."""
    taken = session.scalar(select(table.row_id).where(table.public_id == wanted))
    fresh = hashlib.sha256(f"{wanted} {now().isoformat()}".encode()).hexdigest()[: len(wanted)]
    return wanted if taken is None else fresh


def _opened(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise InvalidArchive("it is no archive, or was cut off") from error


def _manifest(written: bytes) -> Manifest:
    try:
        found = Manifest(**json.loads(written))
    except (ValueError, TypeError) as error:
        raise InvalidArchive("its manifest cannot be read") from error
    if found.version != VERSION:
        raise InvalidArchive(f"it is of version {found.version}; this service reads {VERSION}")
    return found


def _parts(
    session: Session, archive: zipfile.ZipFile, manifest: Manifest
) -> tuple[list[dict[str, Any]], Matrix]:
    """People and vectors, once their digests fit."""
    parts: dict[str, bytes] = {}
    for name in (_PEOPLE, _TEMPLATES):
        try:
            part = archive.read(name)
        except (KeyError, zipfile.BadZipFile) as error:
            raise InvalidArchive(f"{name} is missing or damaged") from error
        if hashlib.sha256(part).hexdigest() != manifest.digests.get(name):
            raise InvalidArchive(f"{name} was changed")
        opened = keyring_of(session).decrypt(part, f"archive {name}") if manifest.sealed else part
        parts[name] = opened
    matrix = np.load(io.BytesIO(parts[_TEMPLATES]), allow_pickle=False)
    if matrix.shape != (manifest.templates, manifest.dimension) or matrix.dtype != np.float32:
        raise InvalidArchive("its templates have another shape than it says")
    return [json.loads(line) for line in parts[_PEOPLE].splitlines()], matrix
