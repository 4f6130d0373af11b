"""Nearest entries: an index answers with templates, people ask for people and words."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.store.collections import Collection
from app.store.projection import IndexProjection
from app.store.tables import EntryRow, TemplateRow
from app.vectors import Matrix, Neighbor

_MOST_PARAMETERS = 500
_BY_ID = (  # built once: composing a statement takes longer than SQLite takes to answer it
    select(
        TemplateRow.id,
        TemplateRow.shown_id,
        EntryRow.id,
        EntryRow.public_id,
        EntryRow.name,
        EntryRow.rank,
    )
    .join(EntryRow, EntryRow.id == TemplateRow.entry_id)
    .where(TemplateRow.id.in_(bindparam("ids", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class NearestEntry:
    """An entry and its best template for a probe. `similarity` is the cosine, -1 to 1."""

    entry_id: int
    public_id: str | None
    name: str
    rank: int | None
    similarity: float
    template_id: str | None


def nearest_entries(
    session: Session,
    projection: IndexProjection,
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
        neighbors = projection.search(session, collection, probes, asked)
        entries = _join(session, neighbors)
        best = [_best_by_entry(row, entries)[:k] for row in neighbors]
        exhausted = all(len(row) < asked for row in neighbors)
        if exhausted or all(len(row) >= k for row in best):
            return best
        asked *= 4


@dataclass(frozen=True, slots=True)
class _Stored:
    entry_id: int
    public_id: str | None
    name: str
    rank: int | None
    template_id: str | None


def _join(session: Session, neighbors: Sequence[Sequence[Neighbor]]) -> dict[int, _Stored]:
    """Who the templates belong to, by template id; what was deleted meanwhile is absent."""
    ids = sorted({neighbor.template_id for row in neighbors for neighbor in row})
    found: dict[int, _Stored] = {}
    for start in range(0, len(ids), _MOST_PARAMETERS):
        some = {"ids": ids[start : start + _MOST_PARAMETERS]}
        for row_id, template_id, entry_id, public_id, name, rank in session.execute(_BY_ID, some):
            found[row_id] = _Stored(entry_id, public_id, name, rank, template_id)
    return found


def _best_by_entry(neighbors: Sequence[Neighbor], stored: dict[int, _Stored]) -> list[NearestEntry]:
    best: dict[int, NearestEntry] = {}
    for neighbor in neighbors:
        known = stored.get(neighbor.template_id)
        if known is not None and known.entry_id not in best:
            best[known.entry_id] = NearestEntry(
                known.entry_id,
                known.public_id,
                known.name,
                known.rank,
                neighbor.similarity,
                known.template_id,
            )
    return list(best.values())
