"""Stores events that wait for their delivery, and which process delivers them."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("event_id", sa.String(40), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    sender = op.create_table(
        "event_sender",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("holder", sa.String(40)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
    )
    op.bulk_insert(sender, [{"id": 1}])


def downgrade() -> None:
    """Drops the tables."""
    op.drop_table("event_sender")
    op.drop_table("events")
