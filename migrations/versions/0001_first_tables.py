"""Create the five tables of the store."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "embedding_spaces",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(80), nullable=False, unique=True),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.Column("created_at", _NOW, nullable=False),
    )
    op.create_table(
        "collections",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("space_id", sa.Integer, sa.ForeignKey("embedding_spaces.id"), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("created_at", _NOW, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "entries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("public_id", sa.String(40), nullable=True, unique=True),
        _collection(),
        sa.Column("name", sa.String(400), nullable=False),
        sa.Column("external_id", sa.String(200), nullable=True),
        sa.Column("rank", sa.Integer, nullable=True),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("created_at", _NOW, nullable=False),
        sqlite_autoincrement=True,
    )
    is_word = sa.text("rank IS NOT NULL")
    op.create_index(
        "uq_entries_word",
        "entries",
        ["collection_id", "name"],
        unique=True,
        sqlite_where=is_word,
        postgresql_where=is_word,
    )
    op.create_index("ix_entries_name", "entries", ["collection_id", "name"])
    op.create_index("ix_entries_external_id", "entries", ["collection_id", "external_id"])
    op.create_index("ix_entries_rank", "entries", ["collection_id", "rank"])
    op.create_table(
        "templates",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("public_id", sa.String(40), nullable=True, unique=True),
        _collection(),
        sa.Column("entry_id",
            sa.Integer,
            sa.ForeignKey("entries.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("quality", sa.Float, nullable=True),
        sa.Column("created_at", _NOW, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_templates_entry", "templates", ["entry_id"])
    op.create_index("ix_templates_collection", "templates", ["collection_id", "id"])
    op.create_table(
        "journal",
        _collection(primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("op", sa.String(10), nullable=False),
        sa.Column("template_id", sa.Integer, nullable=True),
    )


def downgrade() -> None:
    """Drop all tables, referencing tables first."""
    for table in ("journal", "templates", "entries", "collections", "embedding_spaces"):
        op.drop_table(table)


def _collection(primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(
        "collection_id",
        sa.Integer,
        sa.ForeignKey("collections.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )
