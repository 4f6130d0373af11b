"""Stores an upper bound of the number of templates per person of each collection."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COUNT_TEMPLATES = """
UPDATE collections SET largest_support_set = COALESCE(
    (SELECT COUNT(*) FROM templates WHERE templates.collection_id = collections.id
     GROUP BY templates.entry_id ORDER BY COUNT(*) DESC LIMIT 1), 1)
WHERE kind IN ('gallery', 'shadow')
"""


def upgrade() -> None:
    """Adds the column and counts the existing templates. A word has one template."""
    column = sa.Column("largest_support_set", sa.Integer, nullable=False, server_default="1")
    op.add_column("collections", column)
    op.execute(_COUNT_TEMPLATES)


def downgrade() -> None:
    """Drops the column."""
    op.drop_column("collections", "largest_support_set")
