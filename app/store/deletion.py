"""Deletes a collection with its index."""

from app.audit_events import AuditEvent
from app.store.collections import delete_collection, get_collection, lock_with_shadow
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.index_sync import IndexSync


def delete_collection_by_name(
    database: Database, index_sync: IndexSync, name: str, event: AuditEvent, kind: str | None = None
) -> None:
    """Delete a gallery (with its shadow collection) or a vocabulary, and then its index.

    Locks the collection first, so that no other writer adds entries to it. `event` is recorded in
    the audit log. Raises CollectionNotFound or VocabularyNotFound if there is no collection of this
    name and kind.
    """
    with database.write() as session:
        locked = lock_with_shadow(session, get_collection(session, name, kind).row_id)
        for collection in locked:
            delete_collection(session, collection)
        record(session, event)
    for collection in locked:
        index_sync.delete_index(collection)
