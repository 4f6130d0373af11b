"""API keys of the store. Every function works inside the caller's session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.crypto.api_key_text import ApiKeyText
from app.errors import InvalidRequest
from app.errors_access import ApiKeyNotFound
from app.settings import Role
from app.store.db.access_tables import ApiKeyRow
from app.store.db.tables import now
from app.validation import RESOURCE_NAME_RULE, is_resource_name

_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class KeyRights:
    """What the holder of a key may do.

    `collections` and `vocabularies` are the names that the key is restricted to, None for all.
    `embeddings` permits to receive embeddings of faces, stored photos and crops; a key with the
    role `admin` always may.
    """

    role: Role
    collections: tuple[str, ...] | None = None
    vocabularies: tuple[str, ...] | None = None
    embeddings: bool = False


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key, without its secret. `replaces` is the id of the key it was rotated from."""

    key_id: str
    name: str
    rights: KeyRights
    replaces: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def state(self) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now():
            return "expired"
        return "active"


def create_key(
    session: Session, name: str, rights: KeyRights, lifetime: timedelta | None = None
) -> tuple[ApiKey, ApiKeyText]:
    """Stores the digest of a new key; returns it with its text, which is stored nowhere.

    Raises InvalidRequest for an invalid name of the key, a collection or a vocabulary.
    """
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(
            "name", f"the name must have 1 to {_LONGEST_NAME} printable characters"
        )
    for resource in (*(rights.collections or ()), *(rights.vocabularies or ())):
        if not is_resource_name(resource):
            raise InvalidRequest(
                "collection", f"the name {resource[:100]!r} is invalid; {RESOURCE_NAME_RULE}"
            )
    return _add(session, name, rights, lifetime, replaces=None)


def list_keys(session: Session) -> list[ApiKey]:
    """Returns all keys, also revoked and expired ones, oldest first."""
    query = select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
    return [_key(row) for row in session.scalars(query)]


def rotate_key(
    session: Session, key_id: str, overlap: timedelta, lifetime: timedelta | None = None
) -> tuple[ApiKey, ApiKeyText]:
    """Creates a key with the rights of another one, which expires after `overlap`.

    Without `lifetime`, the new key is valid as long as the former one was made for. Raises
    ApiKeyNotFound, or InvalidRequest for a key that is revoked or expired.
    """
    row = _get(session, key_id)
    former = _key(row)
    if former.state != "active":
        raise InvalidRequest("id", f"the API key {key_id} is {former.state}; create a new one")
    if lifetime is None and former.expires_at is not None:
        lifetime = former.expires_at - former.created_at
    ends = now() + overlap
    row.expires_at = min(ends, former.expires_at or ends)
    return _add(session, former.name, former.rights, lifetime, replaces=key_id)


def revoke_key(session: Session, key_id: str) -> ApiKey:
    """Revokes a key; requests that start after the commit are refused. Raises ApiKeyNotFound."""
    row = _get(session, key_id)
    row.revoked_at = row.revoked_at or now()
    return _key(row)


def find_key(session: Session, text: ApiKeyText) -> ApiKey | None:
    """Returns the key, also a revoked or expired one; None if id or secret are wrong."""
    row = session.get(ApiKeyRow, text.key_id)
    return _key(row) if text.matches(row.digest if row else "") and row else None


def has_keys(session: Session) -> bool:
    """Whether a key was ever created, also if all are revoked or expired."""
    return session.scalar(select(ApiKeyRow.id).limit(1)) is not None


def _add(
    session: Session,
    name: str,
    rights: KeyRights,
    lifetime: timedelta | None,
    replaces: str | None,
) -> tuple[ApiKey, ApiKeyText]:
    text, created = ApiKeyText.new(), now()
    row = ApiKeyRow(
        id=text.key_id,
        digest=text.digest,
        name=name,
        role=rights.role,
        collections=_listed(rights.collections),
        vocabularies=_listed(rights.vocabularies),
        embeddings=rights.embeddings,
        replaces=replaces,
        created_at=created,
        expires_at=created + lifetime if lifetime is not None else None,
    )
    session.add(row)
    session.flush()
    return _key(row), text


def _get(session: Session, key_id: str) -> ApiKeyRow:
    row = session.get(ApiKeyRow, key_id)
    if row is None:
        raise ApiKeyNotFound(f"no API key has the id {key_id[:100]!r}; see sima api-keys list")
    return row


def _key(row: ApiKeyRow) -> ApiKey:
    rights = KeyRights(
        role=_role(row.role),
        collections=_named(row.collections),
        vocabularies=_named(row.vocabularies),
        embeddings=row.embeddings,
    )
    return ApiKey(
        row.id, row.name, rights, row.replaces, row.created_at, row.expires_at, row.revoked_at
    )


def _role(stored: str) -> Role:
    """The stored role; the lowest one if a newer version stored one that is unknown here."""
    roles: dict[str, Role] = {"enroll": "enroll", "admin": "admin"}
    return roles.get(stored, "read")


def _listed(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else sorted(set(names))


def _named(names: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)
