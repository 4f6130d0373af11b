"""Finds people by name or external id. The search works inside the caller's session."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.db.person_texts import PersonText, decrypt_name, fold, has_text
from app.store.db.tables import EntryRow
from app.store.db.text_position import text_position

_COLUMNS = (
    EntryRow.row_id,
    EntryRow.public_id,
    EntryRow.name,
    EntryRow.name_index,
    EntryRow.name_folded,
)
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
        folded = fold(name)
        return folded.startswith(fold(self.name or "")) and fold(self.part or "") in folded


EVERYBODY = PersonSearch()


def find_row_ids(
    session: Session, gallery: Collection, search: PersonSearch, after: int, limit: int
) -> list[int]:
    """The first `limit` row ids above `after` of the people who match, in ascending order.

    The database compares folded names, in the order of the index `ix_entries_rank`. Encrypted names
    are decrypted and compared here, block by block, which takes some 20 times as long. The time
    grows with the number of people up to the last one that is returned. Raises DecryptionFailed.
    """
    return list(islice(_matching(session, gallery, search, after, limit), limit))


def _matching(
    session: Session, gallery: Collection, search: PersonSearch, after: int, limit: int
) -> Iterator[int]:
    """Yields the row ids of the people who match, block by block."""
    block = _BLOCK if search.by_name else limit
    conditions = _lookups(session, gallery, search) or [EntryRow.collection_id == gallery.row_id]
    query = select(*_COLUMNS).where(*conditions)
    if search.by_name:
        query = query.where(EntryRow.rank.is_(None), _may_match(search))
    query = query.order_by(EntryRow.row_id).limit(block)
    while True:
        rows = session.execute(query.where(EntryRow.row_id > after)).all()
        for row_id, person_id, name, index, folded in rows:
            compared = folded is not None or not search.by_name
            if compared or search.matches(decrypt_name(session, str(person_id), name, index)):
                yield row_id
        if len(rows) < block:
            return
        after = rows[-1].row_id


def _may_match(search: PersonSearch) -> ColumnElement[bool]:
    """Whether the folded name of a person matches, or there is none, since it is encrypted."""
    begins = _position(fold(search.name or "")) == 1
    contains = _position(fold(search.part or "")) > 0
    return or_(EntryRow.name_folded.is_(None), and_(begins, contains))


def _position(part: str) -> ColumnElement[int]:
    """The place of a text in the folded name, from 1; 0 if it is not in it."""
    return text_position(EntryRow.name_folded, part)


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
