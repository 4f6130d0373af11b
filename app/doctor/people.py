"""Checks the names, external ids and metadata of all people, and repairs metadata."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select, Text, cast, select, update
from sqlalchemy.orm import Session

from app.audit_events import AuditEvent
from app.doctor.findings import REPAIR, Finding, ok, problem
from app.doctor.metadata import invalid_reason, mend
from app.errors import DecryptionFailed, InvalidRequest
from app.private_files import create_folder, create_if_missing
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.encryption import decrypt_metadata_text, encrypt_metadata
from app.store.db.person_texts import decrypt_external_id, decrypt_name
from app.store.db.tables import GALLERY, CollectionRow, EntryRow
from app.store.person_fields import require_valid_person

_BLOCK = 1_000
_SHOWN = 5  # people that a finding names


@dataclass(frozen=True, slots=True)
class _Row:
    """A person as stored; `stored` is the text of the column, which may be encrypted."""

    row_id: int
    person_id: str
    name: str
    name_index: str | None
    external_id: str | None
    external_id_index: str | None
    stored: str


@dataclass(frozen=True, slots=True)
class SavedMetadata:
    """Replaced metadata: the column as it was, encrypted if it was, and what was changed."""

    person_id: str
    original: str
    changes: tuple[str, ...]


def check_people(session: Session) -> Iterator[Finding]:
    """Yields findings about the fields of all people. Reads metadata as text, since invalid
    metadata may not even be readable."""
    fields: list[str] = []
    metadata: list[str] = []
    unreadable: list[str] = []
    count = 0
    for row in _rows(session):
        count += 1
        try:
            text_reason = _invalid_text(session, row)
            reason = invalid_reason(decrypt_metadata_text(session, row.person_id, row.stored))
        except (DecryptionFailed, ValueError) as error:
            unreadable.append(f"{row.person_id} ({error})")
            continue
        fields += [f"{row.person_id} ({text_reason})"] if text_reason else []
        metadata += [f"{row.person_id} ({reason})"] if reason is not None else []
    if metadata:
        yield problem("metadata", f"invalid metadata: {_first(metadata)}", REPAIR)
    if unreadable:
        yield problem(
            "metadata",
            f"people whose fields cannot be decrypted: {_first(unreadable)}",
            "add the missing key to the end of SIMA_ENCRYPTION_KEYS; without it, restore a backup",
        )
    if fields:
        yield problem(
            "people",
            f"invalid names or external ids: {_first(fields)}",
            "change them with PATCH /persons/{person_id}",
        )
    if not (metadata or unreadable or fields):
        yield ok("people", f"the fields of all people ({count}) are valid")


def repair_metadata(database: Database, originals: Path) -> list[SavedMetadata]:
    """Replaces invalid metadata, one transaction per person; returns what was changed.

    The original is appended to `originals` and is on the disk before the transaction ends. Raises
    NotReady, OSError.
    """
    with database.read() as session:
        invalid = [row.row_id for row in _rows(session) if _is_invalid(session, row)]
    repaired = []
    for row_id in invalid:
        with database.write() as session:
            saved = _repair(session, row_id, originals)
            if saved is not None:
                record(session, AuditEvent("person.change", "changed", None, saved.person_id))
        if saved is not None:
            repaired.append(saved)
    return repaired


def _repair(session: Session, row_id: int, originals: Path) -> SavedMetadata | None:
    """Replaces the metadata of a row, unless it was deleted or changed meanwhile."""
    found = session.execute(
        _query().where(EntryRow.row_id == row_id).with_for_update(of=EntryRow)
    ).one_or_none()
    if found is None:
        return None
    row = _row(found)
    if not _is_invalid(session, row):
        return None
    mended = mend(decrypt_metadata_text(session, row.person_id, row.stored), str(originals))
    saved = SavedMetadata(row.person_id, row.stored, mended.changes)
    _append(originals, saved)
    attributes = encrypt_metadata(session, row.person_id, mended.metadata)
    session.execute(update(EntryRow).where(EntryRow.row_id == row_id).values(attributes=attributes))
    return saved


def _append(file: Path, saved: SavedMetadata) -> None:
    create_folder(file.parent)
    create_if_missing(file)
    # Without the changes, which contain names of fields: the original may be encrypted.
    line = {"person_id": saved.person_id, "original": saved.original}
    with file.open("a", encoding="ascii") as stream:
        stream.write(json.dumps(line) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _query() -> Select[*tuple[Any, ...]]:
    return (
        select(
            EntryRow.row_id,
            EntryRow.public_id,
            EntryRow.name,
            EntryRow.name_index,
            EntryRow.external_id,
            EntryRow.external_id_index,
            cast(EntryRow.attributes, Text),
        )
        .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
        .where(CollectionRow.kind == GALLERY)
    )


def _rows(session: Session) -> Iterator[_Row]:
    query = _query().order_by(EntryRow.row_id).execution_options(yield_per=_BLOCK)
    for found in session.execute(query):
        yield _row(found)


def _row(found: Row[*tuple[Any, ...]]) -> _Row:
    return _Row(*found)


def _invalid_text(session: Session, row: _Row) -> str | None:
    """Why the name or the external id must not be stored; None if both may be.

    Raises DecryptionFailed, ValueError for damaged base64.
    """
    name = decrypt_name(session, row.person_id, row.name, row.name_index)
    external_id = decrypt_external_id(
        session, row.person_id, row.external_id, row.external_id_index
    )
    try:
        require_valid_person(name, external_id, None)
    except InvalidRequest as error:
        return str(error)
    return None


def _is_invalid(session: Session, row: _Row) -> bool:
    try:
        text = decrypt_metadata_text(session, row.person_id, row.stored)
    except (DecryptionFailed, ValueError):
        return False  # the key is missing: nothing to repair
    return invalid_reason(text) is not None


def _first(found: list[str]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{len(found)}: {', '.join(found[:_SHOWN])}{more}"
