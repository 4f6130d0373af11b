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
STAGED = "staged"  # a vocabulary whose import is not finished
SHADOW = "shadow"  # templates of a gallery's people in the space of another model
VISITORS = "visitors"  # unknown faces of a gallery that are recognised again
UPSERT, REMOVE, REBUILD = "upsert", "remove", "rebuild"


def now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC. SQLite stores times without a zone, so the zone is added on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """The metadata of the schema."""

    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON}


class EmbeddingSpaceRow(Base):
    """The embedding space of a model, identified by its digest."""

    __tablename__ = "embedding_spaces"

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(80), unique=True)
    dimension: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)


class CollectionRow(Base):
    """A gallery, a vocabulary, or a collection that belongs to a gallery: its shadow collection
    (`shadow_of`), or its visitors (`visitors_of`).

    `revision` is that of the latest journal row, `size` the number of entries and
    `largest_support_set` an upper bound of the templates per entry. They change only while a writer
    holds the lock on this row. `options` are the lookup rules of a vocabulary, or the decision
    options of a gallery. `calibration_id` is the row of a gallery's own calibration table.
    """

    __tablename__ = "collections"
    __table_args__ = (
        Index("uq_collections_shadow", "shadow_of", unique=True),
        Index("uq_collections_visitors", "visitors_of", unique=True),
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
    visitors_of: Mapped[int | None]
    calibration_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class CalibrationRow(Base):
    """A calibration table measured on the people of a gallery.

    A row never changes and ids are never reused, so a table may be cached under its id.
    """

    __tablename__ = "calibrations"
    __table_args__ = (
        Index("ix_calibrations_collection", "collection_id"),
        {"sqlite_autoincrement": True},
    )

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    content: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)


class EntryRow(Base):
    """A person or a word. `rank` counts words from 1 by frequency; people have none.

    A database that had duplicate external ids at revision 0011 lacks `uq_entries_external_id`;
    `app.store.people` checks external ids under the lock of the gallery in any case.

    `attributes` are the metadata of a person, see `app.store.db.encryption`. `name_index` and
    `external_id_index` are set where the text beside them is encrypted, see
    `app.store.db.person_texts`; words are never encrypted. `name_folded` is set for people
    whose name is not encrypted.
    """

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
        Index(
            "uq_entries_external_id",
            "collection_id",
            "external_id",
            unique=True,
            sqlite_where=text("external_id IS NOT NULL"),
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        Index("ix_entries_name", "collection_id", "name"),
        Index("ix_entries_external_id", "collection_id", "external_id"),
        Index("ix_entries_name_index", "collection_id", "name_index"),
        Index("ix_entries_external_id_index", "collection_id", "external_id_index"),
        Index("ix_entries_rank", "collection_id", "rank"),
        {"sqlite_autoincrement": True},
    )

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    public_id: Mapped[str | None] = mapped_column(String(40), unique=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(1200))
    name_index: Mapped[str | None] = mapped_column(String(32))
    name_folded: Mapped[str | None] = mapped_column(String(1200))
    external_id: Mapped[str | None] = mapped_column(String(1200))
    external_id_index: Mapped[str | None] = mapped_column(String(32))
    rank: Mapped[int | None]
    attributes: Mapped[Any] = mapped_column("metadata", JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)


class TemplateRow(Base):
    """A stored embedding. Row ids are never reused, so an index cannot mix up two templates.

    The encryption of the vector is bound to `public_id`. In a shadow collection, `origin` is the
    public id of the gallery template of the same photo; clients use that id for both.
    """

    __tablename__ = "templates"
    __table_args__ = (
        Index("ix_templates_support_set", "entry_id", "collection_id"),
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
        """The id that clients use; it is the same in the gallery and its shadow collection."""
        return self.origin or self.public_id

    @template_id.inplace.expression
    @classmethod
    def _template_id(cls) -> ColumnElement[str | None]:
        return func.coalesce(cls.origin, cls.public_id)


class ImportedPhotoRow(Base):
    """The file of a bulk import that a template was made from. It is deleted with the template.

    `import_id`, `person` and `content` are SHA-256 digests: of the id of the import, of what groups
    the photos of a person in it, and of the file. `face` is the choice of the face.
    """

    __tablename__ = "imported_photos"
    __table_args__ = (
        Index("ix_imported_photos_content", "content"),
        Index("ix_imported_photos_person", "person", "import_id"),
    )

    template_row_id: Mapped[int] = mapped_column(
        "template_id", ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True
    )
    face: Mapped[str] = mapped_column(String(10), primary_key=True)
    import_id: Mapped[str] = mapped_column(String(64))
    person: Mapped[str] = mapped_column(String(64))
    content: Mapped[str] = mapped_column(String(64))


class ErasureRow(Base):
    """The receipt of a deletion. `subject` is a digest of the deleted id or name.

    `completed_at` is null until the deleted bytes are purged.
    """

    __tablename__ = "erasures"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    subject: Mapped[str] = mapped_column(String(64))
    collection: Mapped[str] = mapped_column(String(100))
    templates: Mapped[int]
    photos: Mapped[int]
    crops: Mapped[int] = mapped_column(server_default="0")
    erased_at: Mapped[datetime]
    complete_by: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    digest: Mapped[str] = mapped_column(String(64))


class JournalRow(Base):
    """One change of a collection, written in the same transaction as the change.

    `rebuild` makes an index reload all templates; it represents a bulk import.
    """

    __tablename__ = "journal"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    revision: Mapped[int] = mapped_column(primary_key=True)
    op: Mapped[str] = mapped_column(String(10))
    template_row_id: Mapped[int | None] = mapped_column("template_id")


class ProjectionRow(Base):
    """A linear map from one space to the space of a vocabulary.

    `matrices` are float64, little endian, concatenated: the map, the mean of its inputs and the
    second moment of its outputs.
    """

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


class IdempotencyKeyRow(Base):
    """The `Idempotency-Key` of an enrollment, and the digest of its request."""

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
