"""Rejections: faces that are known not to be a person. Every function uses the caller's session."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, bindparam, delete, select, update
from sqlalchemy.orm import Session

from app.errors import InvalidRequest
from app.errors_people import RejectionNotFound
from app.store.collections import Collection
from app.store.db.encryption import decrypt_vectors, encrypt_vector
from app.store.db.rejection_table import RejectionRow
from app.store.db.statements import fetch_in_blocks
from app.store.db.tables import EmbeddingSpaceRow, TemplateRow
from app.store.people import Person
from app.store.templates import vectors_by_template_id
from app.vectors import Matrix, Vector

_OF_ENTRIES: Select[*tuple[Any, ...]] = (
    select(
        RejectionRow.entry_id,
        RejectionRow.public_id,
        RejectionRow.template_id,
        EmbeddingSpaceRow.digest,
        RejectionRow.vector,
    )
    .join(EmbeddingSpaceRow, EmbeddingSpaceRow.row_id == RejectionRow.space_id, isouter=True)
    .where(RejectionRow.entry_id.in_(bindparam("row_ids", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A face that is not a person; `template_id` is None for a photo that is not stored."""

    rejection_id: str
    template_id: str | None
    created_at: datetime


def reject_template(
    session: Session, gallery: Collection, person: Person, template_id: str
) -> Rejection:
    """Records that a stored template of the locked gallery does not show the person.

    Raises InvalidRequest if there is no such template, or if it is one of the person's own.
    """
    owners = select(TemplateRow.entry_id).where(
        TemplateRow.template_id == template_id, TemplateRow.collection_id == gallery.row_id
    )
    owner = session.scalar(owners)
    if owner is None:
        raise InvalidRequest(
            "template_id", f"no template of the collection {gallery.name!r} has this id"
        )
    if owner == person.row_id:
        raise InvalidRequest(
            "template_id",
            "the template belongs to this person; move it with "
            "PATCH /persons/{person_id}/photos/{template_id}, or delete it",
        )
    known = select(RejectionRow).where(
        RejectionRow.entry_id == person.row_id, RejectionRow.template_id == template_id
    )
    row = session.scalars(known).one_or_none()
    return _rejection(row or _add(session, person, template_id=template_id))


def reject_vector(
    session: Session, gallery: Collection, person: Person, vector: Vector
) -> Rejection:
    """Records that a face, a unit vector in the space of the gallery, is not the person's."""
    query = select(EmbeddingSpaceRow.row_id).where(EmbeddingSpaceRow.digest == gallery.space.digest)
    space_id = session.scalars(query).one()
    rejection_id = secrets.token_hex(12)
    row = RejectionRow(
        public_id=rejection_id,
        entry_id=person.row_id,
        space_id=space_id,
        vector=encrypt_vector(session, rejection_id, vector),
    )
    session.add(row)
    session.flush()
    return _rejection(row)


def list_rejections(session: Session, person: Person) -> list[Rejection]:
    """Returns the rejections of a person, oldest first."""
    query = select(RejectionRow).where(RejectionRow.entry_id == person.row_id)
    return [_rejection(row) for row in session.scalars(query.order_by(RejectionRow.row_id))]


def delete_rejection(session: Session, person: Person, rejection_id: str) -> None:
    """Deletes a rejection of a person. Raises RejectionNotFound."""
    found = delete(RejectionRow).where(
        RejectionRow.entry_id == person.row_id, RejectionRow.public_id == rejection_id
    )
    if session.scalar(found.returning(RejectionRow.row_id)) is None:
        raise RejectionNotFound("this person has no rejection with this id")


def delete_rejections_of(session: Session, templates: ColumnElement[bool]) -> None:
    """Deletes the rejections that name templates that match."""
    named = select(TemplateRow.template_id).where(templates)
    _delete(session, RejectionRow.template_id.in_(named))


def move_rejections(session: Session, source: int, to: int) -> None:
    """Assigns the rejections of the person with the row_id `source` to the person `to`."""
    row = update(RejectionRow).where(RejectionRow.entry_id == source)
    session.execute(row.values(entry_id=to), execution_options={"synchronize_session": False})


def delete_contradicted(session: Session, person_row_id: int) -> None:
    """Deletes the rejections of a person that name templates that this person has now."""
    own = select(TemplateRow.template_id).where(TemplateRow.entry_id == person_row_id)
    _delete(session, (RejectionRow.entry_id == person_row_id) & RejectionRow.template_id.in_(own))


def rejected_vectors(
    session: Session, gallery: Collection, entries: Sequence[int]
) -> Mapping[int, Matrix]:
    """The rejected faces of people as unit vectors in the space of the gallery, by row_id.

    People without any are absent. Photos that were rejected in another space are left out. Raises
    DecryptionFailed.
    """
    rows = list(fetch_in_blocks(session, _OF_ENTRIES, "row_ids", entries))
    if not rows:
        return {}
    named = vectors_by_template_id(session, gallery, [row[2] for row in rows if row[2]])
    own = [row for row in rows if row[3] == gallery.space.digest]
    stored = [(row[1], row[4]) for row in own]
    vectors = decrypt_vectors(session, stored, gallery.space.dimension)
    found: dict[int, list[Vector]] = {}
    for row, vector in zip(own, vectors, strict=True):
        found.setdefault(row[0], []).append(vector)
    for row in rows:
        if row[2] in named:
            found.setdefault(row[0], []).append(named[row[2]])
    return {entry: np.stack(several) for entry, several in found.items()}


@dataclass(frozen=True, slots=True)
class RejectedFaces:
    """Rejected faces of one person: unit vectors, shape (n, dimension), and what each takes off a
    score, shape (n,)."""

    vectors: Matrix
    corrections: NDArray[np.float32]

    def score(self, probe: Vector) -> float:
        """The highest score of the probe with one of the faces."""
        return float(np.max(self.vectors @ probe - self.corrections))


def rejected_faces(
    session: Session,
    gallery: Collection,
    entries: Sequence[int],
    corrections: Callable[[Matrix], NDArray[np.float32]] | None,
) -> dict[int, RejectedFaces]:
    """Like `rejected_vectors`, with the corrections of scores, zero for None."""
    found = rejected_vectors(session, gallery, entries)
    return {
        entry: RejectedFaces(
            vectors,
            corrections(vectors) if corrections else np.zeros(len(vectors), dtype=np.float32),
        )
        for entry, vectors in found.items()
    }


def _add(session: Session, person: Person, template_id: str) -> RejectionRow:
    row = RejectionRow(
        public_id=secrets.token_hex(12), entry_id=person.row_id, template_id=template_id
    )
    session.add(row)
    session.flush()
    return row


def _delete(session: Session, condition: ColumnElement[bool]) -> None:
    chosen = delete(RejectionRow).where(condition)
    session.execute(chosen, execution_options={"synchronize_session": False})


def _rejection(row: RejectionRow) -> Rejection:
    return Rejection(row.public_id, row.template_id, row.created_at)
