"""Creates, lists, rotates and revokes API keys, each in one transaction with its audit event."""

from datetime import timedelta

from app.audit_events import AuditEvent
from app.crypto.api_key_text import ApiKeyText
from app.store.api_keys import ApiKey, KeyRights, create_key, list_keys, revoke_key, rotate_key
from app.store.db.audit_chain import record
from app.store.db.database import Database


class KeyAdministrator:
    """The API keys of a database. Their text is returned once, when they are created."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_all(self) -> list[ApiKey]:
        """All keys, also revoked and expired ones, oldest first."""
        with self._database.read() as session:
            return list_keys(session)

    def create(
        self, name: str, rights: KeyRights, lifetime: timedelta | None = None
    ) -> tuple[ApiKey, ApiKeyText]:
        """Create a key. Raises InvalidRequest for an invalid name."""
        with self._database.write() as session:
            key, text = create_key(session, name, rights, lifetime)
            record(session, AuditEvent("api_key.create", "created", target_key_id=key.key_id))
            return key, text

    def rotate(
        self, key_id: str, overlap: timedelta, lifetime: timedelta | None = None
    ) -> tuple[ApiKey, ApiKeyText]:
        """Replace a key, which expires after `overlap`. Raises ApiKeyNotFound, InvalidRequest."""
        with self._database.write() as session:
            key, text = rotate_key(session, key_id, overlap, lifetime)
            record(session, AuditEvent("api_key.rotate", "changed", target_key_id=key_id))
            record(session, AuditEvent("api_key.create", "created", target_key_id=key.key_id))
            return key, text

    def revoke(self, key_id: str) -> ApiKey:
        """Revoke a key; requests that start afterwards are refused. Raises ApiKeyNotFound."""
        with self._database.write() as session:
            key = revoke_key(session, key_id)
            record(session, AuditEvent("api_key.revoke", "deleted", target_key_id=key_id))
            return key
