"""Stores visitors: unknown faces that are recognised again."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the collections of visitors and the table of when they were seen."""
    op.add_column("collections", sa.Column("visitors_of", sa.Integer))
    op.create_index("uq_collections_visitors", "collections", ["visitors_of"], unique=True)
    op.create_table(
        "visitors",
        sa.Column(
            "entry_id",
            sa.Integer,
            sa.ForeignKey("entries.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_visitors_expires", "visitors", ["expires_at"])


def downgrade() -> None:
    """Deletes all visitors."""
    of_visitors = "collection_id IN (SELECT id FROM collections WHERE visitors_of IS NOT NULL)"
    op.drop_table("visitors")
    for table in ("journal", "templates", "entries"):
        op.execute(f"DELETE FROM {table} WHERE {of_visitors}")  # noqa: S608 - constants
    op.execute("DELETE FROM collections WHERE visitors_of IS NOT NULL")
    op.drop_index("uq_collections_visitors", "collections")
    op.drop_column("collections", "visitors_of")
