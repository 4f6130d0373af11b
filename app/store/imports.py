"""Which files bulk imports have enrolled. Every function works inside the caller's session.

A record is deleted with its template, so it never outlives a deleted person, photo or collection.
"""

import hashlib
from dataclasses import asdict, dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.db.encryption import decrypt_vectors
from app.store.db.tables import EntryRow, ImportedPhotoRow, TemplateRow
from app.store.idempotency import StoredEnrollment
from app.store.people import get_person
from app.store.templates import Template, to_template
from app.vectors import Vector, cosine

_SAME_FACE = 0.999
"""Least cosine of two embeddings of one face in one file. They differ by rounding only."""


@dataclass(frozen=True, slots=True)
class ImportedPhoto:
    """A file of a bulk import, see `ImportedPhotoRow`; the first three fields are digests."""

    import_id: str
    person: str
    content: str
    face: str

    @classmethod
    def of(cls, import_id: str, person: str, content: bytes, face: str) -> "ImportedPhoto":
        """Computes the digests."""
        return cls(_digest(import_id.encode()), _digest(person.encode()), _digest(content), face)


def find_imported(
    session: Session, gallery: Collection, photo: ImportedPhoto
) -> StoredEnrollment | None:
    """Returns the gallery's template of this file, person and choice of the face, or None.

    A file that another import enrolled for the same person counts, too.
    """
    query = _templates_of_file(gallery, photo).where(ImportedPhotoRow.face == photo.face)
    found = session.execute(query.limit(1)).one_or_none()
    return _imported(session, *found) if found is not None else None


def find_imported_face(
    session: Session, gallery: Collection, photo: ImportedPhoto, vector: Vector
) -> StoredEnrollment | None:
    """Returns the gallery's template of this face of the file, whatever choice selected the face.

    `vector` is the unit vector of the face, shape (dimension,), in the space of the gallery.
    """
    rows = session.execute(_templates_of_file(gallery, photo)).all()
    for row, person_id in rows:
        stored = decrypt_vectors(session, [(row.public_id, row.vector)], gallery.space.dimension)
        if cosine(stored[0], vector) >= _SAME_FACE:
            return _imported(session, row, person_id)
    return None


def find_imported_person(
    session: Session, gallery: Collection, import_id: str, person: str
) -> str | None:
    """Returns the id of the person of the gallery whom an earlier run of the import enrolled.

    `import_id` and `person` are the digests of an ImportedPhoto. A person without a template in the
    gallery's space is found, too, if the template in the gallery's former space still exists.
    """
    query = (
        select(EntryRow.public_id)
        .join(TemplateRow, TemplateRow.entry_id == EntryRow.row_id)
        .join(ImportedPhotoRow, ImportedPhotoRow.template_row_id == TemplateRow.row_id)
        .where(
            EntryRow.collection_id == gallery.row_id,
            ImportedPhotoRow.import_id == import_id,
            ImportedPhotoRow.person == person,
        )
        .order_by(TemplateRow.row_id.desc())
    )
    return session.scalar(query.limit(1))


def add_imported(session: Session, template: Template, photo: ImportedPhoto) -> None:
    """Records the file of a template of a locked gallery, unless it is recorded already."""
    if session.get(ImportedPhotoRow, (template.row_id, photo.face)) is None:
        session.add(ImportedPhotoRow(template_row_id=template.row_id, **asdict(photo)))


def copy_imported(session: Session, template_row_id: int, copy_row_id: int) -> None:
    """Records the file of a template for the template of the same photo in another space."""
    query = select(ImportedPhotoRow).where(ImportedPhotoRow.template_row_id == template_row_id)
    for row in session.scalars(query):
        photo = ImportedPhoto(row.import_id, row.person, row.content, row.face)
        session.add(ImportedPhotoRow(template_row_id=copy_row_id, **asdict(photo)))


def _templates_of_file(
    gallery: Collection, photo: ImportedPhoto
) -> Select[TemplateRow, str | None]:
    """Selects the gallery's templates of a file, with the ids of their people."""
    return (
        select(TemplateRow, EntryRow.public_id)
        .join(ImportedPhotoRow, ImportedPhotoRow.template_row_id == TemplateRow.row_id)
        .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
        .where(
            TemplateRow.collection_id == gallery.row_id,
            ImportedPhotoRow.content == photo.content,
            ImportedPhotoRow.person == photo.person,
        )
        .order_by(TemplateRow.row_id)
    )


def _imported(session: Session, row: TemplateRow, person_id: str | None) -> StoredEnrollment:
    return StoredEnrollment(get_person(session, str(person_id)), to_template(row))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
