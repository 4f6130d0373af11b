"""Exports a gallery to an archive file, and imports one into any database."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.audit_events import AuditEvent
from app.crypto.signing import Signer
from app.errors import ExternalIdTaken, InvalidArchive
from app.store.archive_file import (
    Archive,
    ArchivedPerson,
    ArchivedTemplate,
    Manifest,
    read_file,
    write_file,
)
from app.store.collections import (
    Collection,
    change_size,
    create_collection,
    get_collection,
    raise_largest_support_set,
    request_rebuild,
)
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.encryption import (
    decrypt_metadata,
    decrypt_vectors,
    encrypt_metadata,
    encrypt_vector,
)
from app.store.db.tables import GALLERY, EntryRow, TemplateRow
from app.vectors import Matrix

_BLOCK = 1_000  # entries read at a time


def export_gallery(database: Database, name: str, file: Path, signer: Signer) -> Manifest:
    """Writes a gallery to a file; encrypts it with the keys of the database, if there are any.

    Raises CollectionNotFound, DecryptionFailed, InvalidArchive for another suffix, OSError.
    """
    with database.read() as session:
        gallery = get_collection(session, name, GALLERY)
        rows = list(_read_people(session, gallery))
    database.record(AuditEvent("collection.export", "exported", name))
    vectors = [
        np.empty((0, gallery.space.dimension), np.float32),
        *(vectors for _, vectors in rows),
    ]
    people = [person for person, _ in rows]
    archive = Archive(gallery.name, gallery.space, people, np.concatenate(vectors))
    return write_file(file, archive, signer, database.keyring)


def import_gallery(
    database: Database, file: Path, name: str | None, own: Signer, trusted: str | None
) -> tuple[Manifest, Collection]:
    """Creates a gallery from a file signed by `own` or by the public key `trusted`.

    It has the name in the archive unless `name` is given. Ids of people and templates are kept
    unless they are in use. Raises InvalidArchive, ExternalIdTaken, CollectionExists,
    DecryptionFailed, OSError; nothing is stored then.
    """
    manifest, archive = read_file(file, (own.public, trusted), database.keyring)
    _require_unique_external_ids(archive.people)
    with database.write() as session:
        collection = create_collection(session, name or archive.collection, GALLERY, archive.space)
        first, largest = 0, 1
        for person in archive.people:
            count = len(person.templates)
            _add_person(session, collection, person, archive.vectors[first : first + count])
            first, largest = first + count, max(largest, count)
        request_rebuild(session, collection)
        change_size(session, collection, len(archive.people))
        raise_largest_support_set(session, collection, largest)
        record(session, AuditEvent("collection.import", "imported", collection.name))
        return manifest, collection


def _read_people(
    session: Session, collection: Collection
) -> Iterator[tuple[ArchivedPerson, Matrix]]:
    """Yields each person with the vectors of their templates, shape (templates, dimension)."""
    query = (
        select(EntryRow)
        .where(EntryRow.collection_id == collection.row_id)
        .order_by(EntryRow.row_id)
    )
    for entry in session.scalars(query.execution_options(yield_per=_BLOCK)):
        of_person = select(TemplateRow).where(
            TemplateRow.entry_id == entry.row_id, TemplateRow.collection_id == collection.row_id
        )
        rows = session.scalars(of_person.order_by(TemplateRow.row_id)).all()
        person_id = str(entry.public_id)
        person = ArchivedPerson(
            person_id=person_id,
            name=entry.name,
            external_id=entry.external_id,
            metadata=decrypt_metadata(session, person_id, entry.attributes),
            created_at=entry.created_at.isoformat(),
            templates=[
                ArchivedTemplate(str(row.template_id), row.quality, row.created_at.isoformat())
                for row in rows
            ],
        )
        stored = [(row.public_id, row.vector) for row in rows]
        yield person, decrypt_vectors(session, stored, collection.space.dimension)


def _add_person(
    session: Session, collection: Collection, person: ArchivedPerson, vectors: Matrix
) -> None:
    person_id = _unused_id(session, EntryRow, person.person_id)
    entry = EntryRow(
        public_id=person_id,
        collection_id=collection.row_id,
        name=person.name,
        external_id=person.external_id,
        attributes=encrypt_metadata(session, person_id, person.metadata),
        created_at=_time(person.created_at),
    )
    session.add(entry)
    session.flush()
    for template, vector in zip(person.templates, vectors, strict=True):
        template_id = _unused_id(session, TemplateRow, template.template_id)
        session.add(
            TemplateRow(
                public_id=template_id,
                collection_id=collection.row_id,
                entry_id=entry.row_id,
                vector=encrypt_vector(session, template_id, vector),
                quality=template.quality,
                created_at=_time(template.created_at),
            )
        )
    session.flush()


def _require_unique_external_ids(people: Sequence[ArchivedPerson]) -> None:
    """Raises ExternalIdTaken; galleries of earlier versions may contain duplicates."""
    holders: dict[str, str] = {}
    for person in people:
        if person.external_id is None:
            continue
        holder = holders.setdefault(person.external_id, person.person_id)
        if holder != person.person_id:
            raise ExternalIdTaken(
                holder,
                f"the people {holder} and {person.person_id} of the archive have the same "
                "external_id; change one with PATCH /persons/{person_id} and export again",
            )


def _time(written: str) -> datetime:
    try:
        return datetime.fromisoformat(written)
    except (TypeError, ValueError) as error:
        raise InvalidArchive(f"{written!r} of the archive is not a time in ISO 8601") from error


def _unused_id(session: Session, table: type[EntryRow] | type[TemplateRow], wanted: str) -> str:
    """Returns the public id, or a new one if it is in use, for example by the exported original."""
    used = session.scalar(select(table.row_id).where(table.public_id == wanted))
    return wanted if used is None else secrets.token_hex(12)
