"""Create the table of idempotency keys of enrollments."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "enroll_keys",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column(
            "template_id",
            sa.Integer,
            sa.ForeignKey("templates.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_enroll_keys_template", "enroll_keys", ["template_id"])
    op.create_index("ix_enroll_keys_created", "enroll_keys", ["created_at"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("enroll_keys")
