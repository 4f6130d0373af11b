"""Create the table of projections from one embedding space to another."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "projections",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("source_digest", sa.String(80), nullable=False),
        sa.Column("source_dimension", sa.Integer, nullable=False),
        sa.Column("vocabulary", sa.String(100), nullable=False),
        sa.Column("vocabulary_digest", sa.String(80), nullable=False),
        sa.Column("vocabulary_dimension", sa.Integer, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("matrices", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("projections")
