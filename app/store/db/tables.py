"""The tables. Vectors are float32, little endian, unit length."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    TypeDecorator,
    func,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

GALLERY, VOCABULARY = "gallery", "vocabulary"
STAGED = "staged"  # a vocabulary that is still being read
SHADOW = "shadow"  # templates of a gallery's people in the space of another model
UPSERT, REMOVE, REBUILD = "upsert", "remove", "rebuild"


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone, also where the database (SQLite) forgets zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Metadata of the schema; alembic compares against it."""

    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON}


class EmbeddingSpaceRow(Base):
    """A model as far as its vectors are concerned."""

    __tablename__ = "embedding_spaces"

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(80), unique=True)
    dimension: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)


class CollectionRow(Base):
    """A gallery, a vocabulary, or a gallery's shadow. `revision` is that of its newest journal
    row, `size` counts entries; both change only under the lock that a writer takes on this row.
    `options` say how a vocabulary looks words up."""

    __tablename__ = "collections"
    __table_args__ = (
        Index("uq_collections_shadow", "shadow_of", unique=True),
        {"sqlite_autoincrement": True},
    )

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    space_id: Mapped[int] = mapped_column(ForeignKey("embedding_spaces.id"))
    revision: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(default=0)
    largest_support_set: Mapped[int] = mapped_column(default=1, server_default="1")
    options: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    shadow_of: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class EntryRow(Base):
    """A person or a word. `rank` is a word's place by frequency, from 1; none for people."""

    __tablename__ = "entries"
    __table_args__ = (
        Index(
            "uq_entries_word",
            "collection_id",
            "name",
            unique=True,
            sqlite_where=text("rank IS NOT NULL"),
            postgresql_where=text("rank IS NOT NULL"),
        ),
        Index("ix_entries_name", "collection_id", "name"),
        Index("ix_entries_external_id", "collection_id", "external_id"),
        Index("ix_entries_rank", "collection_id", "rank"),
        {"sqlite_autoincrement": True},
    )

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    public_id: Mapped[str | None] = mapped_column(String(40), unique=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(400))
    external_id: Mapped[str | None] = mapped_column(String(200))
    rank: Mapped[int | None]
    attributes: Mapped[Any] = mapped_column("metadata", JSON, default=dict)  # see store/sealing
    created_at: Mapped[datetime] = mapped_column(default=now)


class TemplateRow(Base):
    """One stored embedding. Ids are never used twice, so an index can't confuse two.

    `origin` is the public id of the template that its photo was enrolled as, where the photo was
    embedded anew for another model: clients know both by that id.
    """

    __tablename__ = "templates"
    __table_args__ = (
        Index("ix_templates_entry", "entry_id"),
        Index("ix_templates_collection", "collection_id", "id"),
        Index("ix_templates_origin", "origin"),
        {"sqlite_autoincrement": True},
    )

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    public_id: Mapped[str | None] = mapped_column(String(40), unique=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id", ondelete="CASCADE"))
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    quality: Mapped[float | None]
    origin: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(default=now)

    @hybrid_property
    def template_id(self) -> str | None:
        """The id that clients know; it stays when the photo is embedded anew."""
        return self.origin or self.public_id

    @template_id.inplace.expression
    @classmethod
    def _template_id(cls) -> ColumnElement[str | None]:
        return func.coalesce(cls.origin, cls.public_id)


class PhotoRow(Base):
    """A photo that was kept, sealed; it goes with its template, and when its time is over."""

    __tablename__ = "photos"
    __table_args__ = (Index("ix_photos_kept_until", "kept_until"),)

    template_row_id: Mapped[int] = mapped_column(
        "template_id", ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True
    )
    ciphertext: Mapped[bytes] = mapped_column("sealed", LargeBinary)
    kept_until: Mapped[datetime]


class ErasureRow(Base):
    """What a deletion removed; nothing of whom, but a digest that only the id can be held to."""

    __tablename__ = "erasures"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    subject: Mapped[str] = mapped_column(String(64))
    collection: Mapped[str] = mapped_column(String(100))
    templates: Mapped[int]
    photos: Mapped[int]
    erased_at: Mapped[datetime]
    complete_by: Mapped[datetime]
    digest: Mapped[str] = mapped_column(String(64))


class JournalRow(Base):
    """What happened to a collection, in order; written with the change itself.

    `rebuild` stands for a bulk import: read the templates table instead.
    """

    __tablename__ = "journal"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    revision: Mapped[int] = mapped_column(primary_key=True)
    op: Mapped[str] = mapped_column(String(10))
    template_row_id: Mapped[int | None] = mapped_column("template_id")


class ProjectionRow(Base):
    """A map from one space to the words of a vocabulary. `matrices` are float64, little endian:
    the map, the centre of the source, the covariance of the outputs, one after the other."""

    __tablename__ = "projections"

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    source_digest: Mapped[str] = mapped_column(String(80))
    source_dimension: Mapped[int]
    vocabulary: Mapped[str] = mapped_column(String(100))
    vocabulary_digest: Mapped[str] = mapped_column(String(80))
    vocabulary_dimension: Mapped[int]
    details: Mapped[dict[str, Any]]
    matrices: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=now)


class EnrollKeyRow(Base):
    """The `Idempotency-Key` of an enrollment, with the digest of the request that brought it."""

    __tablename__ = "enroll_keys"
    __table_args__ = (
        Index("ix_enroll_keys_template", "template_id"),
        Index("ix_enroll_keys_created", "created_at"),
    )

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    template_row_id: Mapped[int] = mapped_column(
        "template_id", ForeignKey("templates.id", ondelete="CASCADE")
    )
    created_at: Mapped[datetime] = mapped_column(default=now)
