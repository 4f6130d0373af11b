"""Stores which faces are known not to be a person."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "rejections",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("public_id", sa.String(40), nullable=False, unique=True),
        sa.Column(
            "entry_id",
            sa.Integer,
            sa.ForeignKey("entries.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("template_id", sa.String(40)),
        sa.Column("space_id", sa.Integer, sa.ForeignKey("embedding_spaces.id")),
        sa.Column("vector", sa.LargeBinary),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rejections_entry", "rejections", ["entry_id"])
    op.create_index("ix_rejections_template", "rejections", ["template_id"])


def downgrade() -> None:
    """Drops the table."""
    op.drop_table("rejections")
