"""Stores when the bytes of a deletion were purged."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; the first housekeeping completes the receipts of earlier deletions."""
    op.add_column("erasures", sa.Column("completed_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drops the column."""
    op.drop_column("erasures", "completed_at")
