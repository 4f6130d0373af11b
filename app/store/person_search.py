"""Finds people by name or external id. The search works inside the caller's session."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.db.person_texts import PersonText, decrypt_name, has_text
from app.store.db.tables import EntryRow

_BLOCK = 2_000  # names per statement


@dataclass(frozen=True, slots=True)
class PersonSearch:
    """The filters of a search; all of them must match.

    `name` is the beginning of the name and `part` any part of it. Both ignore case, and compare
    the composed forms of letters (NFC). `external_id` and `exact_name` are exact, and looked up by
    indexes, whether or not names are encrypted.
    """

    name: str | None = None
    part: str | None = None
    external_id: str | None = None
    exact_name: str | None = None

    @property
    def by_name(self) -> bool:
        """Whether names must be compared."""
        return self.name is not None or self.part is not None

    def matches(self, name: str) -> bool:
        """Whether a person of this name is found."""
        folded = _fold(name)
        return folded.startswith(_fold(self.name or "")) and _fold(self.part or "") in folded


EVERYBODY = PersonSearch()


def find_row_ids(
    session: Session, gallery: Collection, search: PersonSearch, after: int, limit: int
) -> list[int]:
    """The first `limit` row ids above `after` of the people who match, in ascending order.

    Names are compared here and not by the database, because SQLite folds the case of ASCII letters
    only, and names may be encrypted. The time grows with the number of people up to the last one
    that is returned. Raises DecryptionFailed.
    """
    return list(islice(_matching(session, gallery, search, after, limit), limit))


def _matching(
    session: Session, gallery: Collection, search: PersonSearch, after: int, limit: int
) -> Iterator[int]:
    """Yields the row ids of the people who match, block by block."""
    block = _BLOCK if search.by_name else limit
    columns = (EntryRow.row_id, EntryRow.public_id, EntryRow.name, EntryRow.name_index)
    conditions = _lookups(session, gallery, search) or [EntryRow.collection_id == gallery.row_id]
    query = select(*columns).where(*conditions)
    query = query.order_by(EntryRow.row_id).limit(block)
    while True:
        rows = session.execute(query.where(EntryRow.row_id > after)).all()
        for row_id, person_id, name, index in rows:
            if not search.by_name or search.matches(
                decrypt_name(session, str(person_id), name, index)
            ):
                yield row_id
        if len(rows) < block:
            return
        after = rows[-1].row_id


def _lookups(
    session: Session, gallery: Collection, search: PersonSearch
) -> list[ColumnElement[bool]]:
    """The conditions for exact texts. They include that of the gallery, which alone would make
    SQLite read all its people."""
    exact: dict[PersonText, str | None] = {
        "external_id": search.external_id,
        "name": search.exact_name,
    }
    return [
        has_text(session, gallery.row_id, field, [text])
        for field, text in exact.items()
        if text is not None
    ]


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
