"""Indexes templates by entry and collection."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replaces the index by entry: SQLite preferred the one by collection, which it scanned."""
    op.create_index("ix_templates_support_set", "templates", ["entry_id", "collection_id"])
    op.drop_index("ix_templates_entry", "templates")


def downgrade() -> None:
    """Restores the index by entry."""
    op.create_index("ix_templates_entry", "templates", ["entry_id"])
    op.drop_index("ix_templates_support_set", "templates")
