"""The tables about callers of the service."""

from datetime import datetime

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.db.tables import Base, now


class ApiKeyRow(Base):
    """An API key. `digest` is that of its text; `replaces` the id of the key that it was rotated
    from. Null `collections` or `vocabularies` mean all.

    Rows are never deleted: a service that had keys does not become open to everybody.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(10))
    collections: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    vocabularies: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    embeddings: Mapped[bool]
    replaces: Mapped[str | None] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
