"""Stores calibration tables of galleries."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table; existing galleries have no calibration of their own."""
    op.create_table(
        "calibrations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "collection_id",
            sa.Integer,
            sa.ForeignKey("collections.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_calibrations_collection", "calibrations", ["collection_id"])
    op.add_column("collections", sa.Column("calibration_id", sa.Integer))


def downgrade() -> None:
    """Drops the table and the column."""
    op.drop_column("collections", "calibration_id")
    op.drop_table("calibrations")
