"""Lets an event of the audit log name the API key that it created, rotated or revoked."""

import sqlalchemy as sa
from alembic import op

from app.errors import InvalidRequest

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the column; the hash of an event without such a key does not change."""
    op.add_column("audit_log", sa.Column("target_key_id", sa.String(100), nullable=True))


def downgrade() -> None:
    """Drops the column. Raises InvalidRequest if an event names a key: its hash contains it."""
    named = "SELECT count(*) FROM audit_log WHERE target_key_id IS NOT NULL"
    if op.get_bind().execute(sa.text(named)).scalar_one():
        raise InvalidRequest(
            "revision",
            "the audit log names API keys, and earlier versions would find it damaged; restore a "
            "backup instead",
        )
    op.drop_column("audit_log", "target_key_id")
