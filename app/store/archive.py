"""Exports a gallery to an archive file, and imports one into any database.

Neither is ever in memory as a whole: both directions read and write some people at a time.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.audit_events import AuditEvent
from app.crypto.signing import Signer
from app.errors import ExternalIdTaken, InvalidArchive
from app.store.archive_file import (
    BLOCK,
    ArchivedPerson,
    ArchivedTemplate,
    ArchiveReader,
    Contents,
    Manifest,
    open_file,
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
from app.store.db.person_texts import decrypt_texts, encrypt_texts, has_text
from app.store.db.tables import GALLERY, EntryRow, TemplateRow
from app.store.detections import add_detections, read_by_row_ids
from app.vectors import Matrix


def export_gallery(database: Database, name: str, file: Path, signer: Signer) -> Manifest:
    """Writes a gallery to a file; encrypts it with the keys of the database, if there are any.

    Raises CollectionNotFound, DecryptionFailed, InvalidArchive for another suffix, OSError.
    """
    with database.read() as session:  # one snapshot
        gallery = get_collection(session, name, GALLERY)
        database.record(AuditEvent("collection.export", "exported", name))
        reader = _GalleryReader(session, gallery)
        contents = Contents(
            gallery.name, gallery.space, reader.count(), reader.people, reader.vectors
        )
        return write_file(file, contents, signer, database.keyring)


def import_gallery(
    database: Database, file: Path, name: str | None, own: Signer, trusted: str | None
) -> tuple[Manifest, Collection]:
    """Creates a gallery from a file signed by `own` or by the public key `trusted`.

    It has the name in the archive unless `name` is given. Ids of people and templates are kept
    unless they are in use. Raises InvalidArchive, ExternalIdTaken, CollectionExists,
    DecryptionFailed, OSError; nothing is stored then.
    """
    with (
        open_file(file, (own.public, trusted), database.keyring) as archive,
        database.write() as session,
    ):
        manifest = archive.manifest
        collection = create_collection(
            session, name or manifest.collection, GALLERY, manifest.space
        )
        largest = 1
        for people, vectors in archive.blocks():
            _require_unused_external_ids(session, collection, archive, people)
            _add_people(session, collection, people, vectors)
            largest = max(largest, *(len(person.templates) for person in people))
        request_rebuild(session, collection)
        change_size(session, collection, manifest.people)
        raise_largest_support_set(session, collection, largest)
        record(session, AuditEvent("collection.import", "imported", collection.name))
        return manifest, collection


@dataclass(frozen=True, slots=True)
class _GalleryReader:
    """Reads the people and templates of a gallery, some at a time."""

    session: Session
    gallery: Collection

    def count(self) -> tuple[int, int]:
        """The numbers of people and of their templates."""
        people = self.session.scalar(
            select(func.count(EntryRow.row_id)).where(EntryRow.collection_id == self.gallery.row_id)
        )
        templates = self.session.scalar(
            select(func.count(TemplateRow.row_id)).where(
                TemplateRow.collection_id == self.gallery.row_id
            )
        )
        return people or 0, templates or 0

    def people(self) -> Iterator[ArchivedPerson]:
        """Yields the people, oldest first."""
        for entries in self._entries():
            templates: dict[int, list[ArchivedTemplate]] = {row.row_id: [] for row in entries}
            columns = select(
                TemplateRow.row_id,
                TemplateRow.entry_id,
                TemplateRow.template_id,
                TemplateRow.quality,
                TemplateRow.created_at,
            )
            rows = self.session.execute(self._templates(entries, columns)).all()
            ids = {row_id: str(template_id) for row_id, _, template_id, *_ in rows}
            detections = read_by_row_ids(self.session, ids)
            for row_id, entry_id, _, quality, created_at in rows:
                template_id = ids[row_id]
                detection = detections.get(template_id)
                template = ArchivedTemplate(template_id, quality, created_at.isoformat(), detection)
                templates[entry_id].append(template)
            for entry in entries:
                person_id = str(entry.public_id)
                name, external_id = decrypt_texts(self.session, entry)
                yield ArchivedPerson(
                    person_id=person_id,
                    name=name,
                    external_id=external_id,
                    metadata=decrypt_metadata(self.session, person_id, entry.attributes),
                    created_at=entry.created_at.isoformat(),
                    templates=templates[entry.row_id],
                )
            self.session.expunge_all()

    def vectors(self) -> Iterator[Matrix]:
        """Yields the vectors of all templates in the order of the people, shape (n, d)."""
        for entries in self._entries():
            columns = select(TemplateRow.public_id, TemplateRow.vector)
            query = self._templates(entries, columns)
            rows = self.session.execute(query.execution_options(yield_per=BLOCK))
            for block in rows.partitions():
                stored = [(public_id, vector) for public_id, vector in block]
                yield decrypt_vectors(self.session, stored, self.gallery.space.dimension)
            self.session.expunge_all()

    def _entries(self) -> Iterator[Sequence[EntryRow]]:
        after = 0
        while True:
            query = (
                select(EntryRow)
                .where(EntryRow.collection_id == self.gallery.row_id, EntryRow.row_id > after)
                .order_by(EntryRow.row_id)
                .limit(BLOCK)
            )
            entries = self.session.scalars(query).all()
            if not entries:
                return
            after = entries[-1].row_id
            yield entries

    def _templates(
        self, entries: Sequence[EntryRow], columns: Select[*tuple[Any, ...]]
    ) -> Select[*tuple[Any, ...]]:
        """The query for the templates of the people, in their order."""
        return columns.where(
            TemplateRow.entry_id.in_([entry.row_id for entry in entries]),
            TemplateRow.collection_id == self.gallery.row_id,
        ).order_by(TemplateRow.entry_id, TemplateRow.row_id)


def _add_people(
    session: Session, collection: Collection, people: Sequence[ArchivedPerson], vectors: Matrix
) -> None:
    person_ids = _unused_ids(session, EntryRow.public_id, [person.person_id for person in people])
    row_ids = session.scalars(
        insert(EntryRow).returning(EntryRow.row_id, sort_by_parameter_order=True),
        [
            {
                "public_id": person_id,
                "collection_id": collection.row_id,
                "attributes": encrypt_metadata(session, person_id, person.metadata),
                "created_at": _time(person.created_at),
                **encrypt_texts(session, person_id, person.name, person.external_id),
            }
            for person_id, person in zip(person_ids, people, strict=True)
        ],
    ).all()
    owned = [
        (row_id, template)
        for row_id, person in zip(row_ids, people, strict=True)
        for template in person.templates
    ]
    if not owned:
        return
    template_ids = _unused_ids(
        session, TemplateRow.public_id, [template.template_id for _, template in owned]
    )
    template_row_ids = session.scalars(
        insert(TemplateRow).returning(TemplateRow.row_id, sort_by_parameter_order=True),
        [
            {
                "public_id": template_id,
                "collection_id": collection.row_id,
                "entry_id": row_id,
                "vector": encrypt_vector(session, template_id, vector),
                "quality": template.quality,
                "created_at": _time(template.created_at),
            }
            for template_id, (row_id, template), vector in zip(
                template_ids, owned, vectors, strict=True
            )
        ],
    ).all()
    add_detections(
        session,
        [
            (row_id, template_id, template.detection)
            for row_id, template_id, (_, template) in zip(
                template_row_ids, template_ids, owned, strict=True
            )
            if template.detection is not None
        ],
    )


def _require_unused_external_ids(
    session: Session, gallery: Collection, archive: ArchiveReader, people: Sequence[ArchivedPerson]
) -> None:
    """Raises ExternalIdTaken for an external id of two people of the archive.

    Galleries of earlier versions may contain duplicates.
    """
    holders: dict[str, str] = {}
    for person in people:
        if person.external_id is not None:
            holder = holders.setdefault(person.external_id, person.person_id)
            if holder != person.person_id:
                raise _shared(holder, person.person_id)
    query = select(EntryRow).where(has_text(session, gallery.row_id, "external_id", list(holders)))
    entry = session.scalars(query.limit(1)).one_or_none()
    if entry is not None:
        _, external_id = decrypt_texts(session, entry)
        taken = str(external_id)
        earlier = (person for person in archive.people() if person.external_id == taken)
        raise _shared(next(earlier).person_id, holders[taken])


def _shared(holder: str, person_id: str) -> ExternalIdTaken:
    return ExternalIdTaken(
        holder,
        f"the people {holder} and {person_id} of the archive have the same external_id; change one "
        "with PATCH /persons/{person_id} and export again",
    )


def _time(written: str) -> datetime:
    try:
        return datetime.fromisoformat(written)
    except (TypeError, ValueError) as error:
        raise InvalidArchive(f"{written!r} of the archive is not a time in ISO 8601") from error


def _unused_ids(
    session: Session, column: InstrumentedAttribute[str | None], wanted: Sequence[str]
) -> list[str]:
    """Returns the public ids, or new ones for those in use, such as by the exported original."""
    used: set[str | None] = set()
    for start in range(0, len(wanted), BLOCK):
        used.update(
            session.scalars(select(column).where(column.in_(wanted[start : start + BLOCK])))
        )
    found = []
    for public_id in wanted:
        found.append(secrets.token_hex(12) if public_id in used else public_id)
        used.add(public_id)
    return found
