"""Nearest entries: an index answers with templates, people ask for people and words."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.db.statements import fetch_in_blocks
from app.store.db.tables import EntryRow, TemplateRow
from app.store.index_sync import IndexSync
from app.vectors import Matrix, Neighbor

_BY_ROW_ID = (
    select(
        TemplateRow.row_id,
        EntryRow.row_id,
        TemplateRow.template_id,
        EntryRow.public_id,
        EntryRow.name,
        EntryRow.rank,
    )
    .join(EntryRow, EntryRow.row_id == TemplateRow.entry_id)
    .where(TemplateRow.row_id.in_(bindparam("row_ids", expanding=True)))
)


class NearestEntry(NamedTuple):
    """An entry and its best template for a probe. `similarity` is the cosine, -1 to 1."""

    similarity: float
    row_id: int
    template_id: str | None
    public_id: str | None
    name: str
    rank: int | None


_Stored = tuple[int, str | None, str | None, str, int | None]
"""What follows the similarity in a NearestEntry."""


def nearest_entries(
    session: Session,
    index_sync: IndexSync,
    collection: Collection,
    probes: Matrix,
    k: int,
) -> list[list[NearestEntry]]:
    """For each probe the `k` nearest entries, one row an entry, most similar first.

    An entry may have many templates, so more templates are asked for until there are enough
    entries or no more templates.
    """
    asked = k
    while True:
        neighbors = index_sync.search(session, collection, probes, asked)
        entries = _join(session, neighbors)
        best = [_best_by_entry(row, entries)[:k] for row in neighbors]
        exhausted = all(len(row) < asked for row in neighbors)
        if exhausted or all(len(row) >= k for row in best):
            return best
        asked *= 4


def _join(session: Session, neighbors: Sequence[Sequence[Neighbor]]) -> dict[int, _Stored]:
    """Who the templates belong to, by template id; what was deleted meanwhile is absent."""
    ids = sorted({neighbor.row_id for row in neighbors for neighbor in row})
    return {row[0]: row[1:] for row in fetch_in_blocks(session, _BY_ROW_ID, "row_ids", ids)}


def _best_by_entry(neighbors: Sequence[Neighbor], stored: dict[int, _Stored]) -> list[NearestEntry]:
    best: dict[int, NearestEntry] = {}
    for row_id, similarity in neighbors:
        known = stored.get(row_id)
        if known is not None and known[0] not in best:
            best[known[0]] = NearestEntry(similarity, *known)
    return list(best.values())
