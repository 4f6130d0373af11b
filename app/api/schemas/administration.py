"""Requests and responses about API keys, the audit log and erasure receipts."""

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from app.api.schemas.base import CollectionName, Request, example
from app.api.schemas.persons import ErasureReceipt
from app.settings import Role
from app.store.api_keys import ApiKey, KeyRights
from app.store.audit_log import AuditFilter
from app.store.db.audit_chain import AuditEntry

Names = Annotated[list[CollectionName], Field(min_length=1, max_length=100)]


class NewApiKey(Request):
    """A key to create. Without `collections` and `vocabularies` it may use all of them.

    `embeddings` permits to receive embeddings of faces, stored photos and crops; the role `admin`
    always may. Without `valid_days` the key is valid until it is revoked.
    """

    model_config = example(
        {"name": "door-3", "role": "read", "collections": ["lobby"], "valid_days": 365}
    )

    name: Annotated[str, Field(min_length=1, max_length=100)]
    role: Role
    collections: Names | None = None
    vocabularies: Names | None = None
    embeddings: bool = False
    valid_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    def rights(self) -> KeyRights:
        """What the holder of the key may do."""
        return KeyRights(
            self.role,
            tuple(self.collections) if self.collections else None,
            tuple(self.vocabularies) if self.vocabularies else None,
            self.embeddings,
        )

    def lifetime(self) -> timedelta | None:
        """How long the key is valid, None without a limit."""
        return None if self.valid_days is None else timedelta(days=self.valid_days)


class ApiKeyOut(BaseModel):
    """A key without its text. `state` is `active`, `expired` or `revoked`; `replaces` is the id of
    the key that it was rotated from; null for `collections` and `vocabularies` means all."""

    id: str
    name: str
    role: Role
    collections: list[str] | None
    vocabularies: list[str] | None
    embeddings: bool
    state: str
    replaces: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> "ApiKeyOut":
        rights = key.rights
        return cls(
            id=key.key_id,
            name=key.name,
            role=rights.role,
            collections=None if rights.collections is None else list(rights.collections),
            vocabularies=None if rights.vocabularies is None else list(rights.vocabularies),
            embeddings=rights.embeddings or rights.role == "admin",
            state=key.state,
            replaces=key.replaces,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )


class CreatedApiKey(ApiKeyOut):
    """A new key; `key` is its text, which is stored nowhere and cannot be shown again."""

    key: str


class ApiKeyList(BaseModel):
    """The keys of the store, newest first; those of SIMA_API_KEYS are not among them."""

    api_keys: list[ApiKeyOut]


class AuditQuery(Request):
    """The query parameters of `GET /audit`."""

    limit: Annotated[
        int, Field(ge=1, le=500, description="The number of events.", examples=[100])
    ] = 100
    before: Annotated[
        Annotated[int, Field(ge=1, le=2**63 - 1)] | None,
        Field(description="Only events with a lower sequence number.", examples=[1200]),
    ] = None
    collection: Annotated[
        CollectionName | None,
        Field(description="Events of one gallery or vocabulary.", examples=["default"]),
    ] = None
    action: Annotated[
        Annotated[str, Field(max_length=40, pattern=r"^[a-z_.]+$")] | None,
        Field(description="Events with one action.", examples=["enroll"]),
    ] = None

    def wanted(self) -> AuditFilter:
        """The filter as the log takes it."""
        return AuditFilter(collection=self.collection, action=self.action)


class AuditEventOut(BaseModel):
    """Who did what: ids only, never names, photos or embeddings."""

    sequence: int
    time: datetime
    key_id: str | None
    address: str | None
    action: str
    collection: str | None
    person_id: str | None
    decision: str
    request_id: str | None
    target_key_id: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditEventOut":
        return cls.model_validate(entry, from_attributes=True)


class AuditPage(BaseModel):
    """Events, newest first. `next_before` is null on the last page. `enabled` is false in a service
    that does not record events (SIMA_AUDIT)."""

    enabled: bool
    events: list[AuditEventOut]
    next_before: int | None


class ErasureList(BaseModel):
    """Erasure receipts, newest first."""

    erasures: list[ErasureReceipt]
