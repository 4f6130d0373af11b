"""Add the lookup options of a vocabulary."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; existing collections get no options."""
    options = sa.Column("options", sa.JSON, nullable=False, server_default="{}")
    op.add_column("collections", options)


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("collections", "options")
