"""Add the lookup options of a vocabulary."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Collections get options; those that are there have none."""
    options = sa.Column("options", sa.JSON, nullable=False, server_default="{}")
    op.add_column("collections", options)


def downgrade() -> None:
    """Forget them."""
    op.drop_column("collections", "options")
