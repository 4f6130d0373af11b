"""Compares index snapshots with the database, without changing either; rebuilds the stale ones."""

from collections.abc import Iterator

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.doctor.findings import REPAIR, Finding, ok, problem
from app.index.base import VectorIndex
from app.settings import Settings
from app.store.collections import Collection, indexed_collections
from app.store.db.database import Database
from app.store.db.tables import REBUILD, JournalRow, TemplateRow
from app.store.index_check import IndexCheck
from app.store.templates import read_vectors
from app.wiring.index_engines import find_unencrypted_snapshots, open_engine
from app.wiring.services import open_store

_SAMPLE = 200  # templates whose vectors are compared
_TOLERANCE = 1e-3  # of a similarity


def check_indexes(settings: Settings, database: Database) -> Iterator[Finding]:
    """Yields findings about the snapshots. Raises NotReady, DecryptionFailed."""
    plain = find_unencrypted_snapshots(settings, database)
    if plain:
        yield problem("index", f"unencrypted snapshots of people's vectors: {len(plain)}", REPAIR)
    engine = settings.index_url.partition(":")[0]
    if engine == "exact":
        yield ok("index", "the engine exact stores nothing")
        return
    if engine != "faiss":
        yield ok("index", f"{engine} is not compared here; run `sima index check`")
        return
    stale = stale_collections(settings, database)
    for collection, reason in stale:
        yield problem("index", f"{collection.name}: {reason}", REPAIR)
    if not stale:
        yield ok("index", "every snapshot equals the database, or is updated at the next start")


def stale_collections(settings: Settings, database: Database) -> list[tuple[Collection, str]]:
    """Collections whose snapshot differs from the database, with the difference.

    A snapshot that lacks the latest journal rows does not differ: the next search applies them.
    """
    open_index, close = open_engine(settings, database)
    stale = []
    try:
        with database.read() as session:
            for collection in indexed_collections(session):
                index = open_index(collection)
                reason = _difference(session, collection, index)
                index.close()  # writes no snapshot: nothing was changed
                if reason is not None:
                    stale.append((collection, reason))
    finally:
        close()
    return stale


def rebuild(settings: Settings, collections: list[Collection]) -> list[str]:
    """Rebuilds these indexes from the database; returns one text for each."""
    database, index_sync = open_store(settings)
    try:
        check = IndexCheck(database, index_sync)
        return [f"{one.name}: rebuilt, templates: {check.rebuild(one)}" for one in collections]
    finally:
        index_sync.close()
        database.close()


def _difference(session: Session, collection: Collection, index: VectorIndex) -> str | None:
    if index.revision == 0:
        return None  # no readable snapshot: the next start rebuilds it
    if index.revision > collection.revision:
        return f"the snapshot is newer (revision {index.revision}) than the database"
    pending = session.execute(
        select(JournalRow.op, JournalRow.template_row_id).where(
            JournalRow.collection_id == collection.row_id, JournalRow.revision > index.revision
        )
    ).all()
    incomplete = len(pending) != collection.revision - index.revision
    if incomplete or any(row.op == REBUILD for row in pending):
        return None  # the next start rebuilds it
    query = select(TemplateRow.row_id).where(TemplateRow.collection_id == collection.row_id)
    stored, indexed = set(session.scalars(query)), set(index.ids().tolist())
    changing = {row.template_row_id for row in pending}
    missing, extra = stored - indexed - changing, indexed - stored - changing
    changed = _count_changed(session, collection, index, (stored & indexed) - changing)
    if not (missing or extra or changed):
        return None
    return (
        f"templates missing in the snapshot: {len(missing)}, only in it: {len(extra)}, with "
        f"another vector among a sample of {_SAMPLE}: {changed}"
    )


def _count_changed(
    session: Session, collection: Collection, index: VectorIndex, row_ids: set[int]
) -> int:
    """Counts the templates of a sample that do not find themselves or an equal vector."""
    ids = np.array(sorted(row_ids), dtype=np.int64)
    sample = np.random.default_rng().permutation(ids)[:_SAMPLE]
    changed = 0
    for _, vectors in read_vectors(session, collection, set(sample.tolist())):
        if not len(vectors):
            continue
        norms = (vectors * vectors).sum(axis=1).tolist()
        for neighbors, norm in zip(index.search(vectors, 1), norms, strict=True):
            changed += not neighbors or abs(neighbors[0].similarity - norm) > _TOLERANCE
    return changed
