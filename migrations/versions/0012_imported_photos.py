"""Stores which files a bulk import has enrolled, so that a repeated run continues."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table; report files of earlier imports are not read."""
    op.create_table(
        "imported_photos",
        sa.Column(
            "template_id",
            sa.Integer,
            sa.ForeignKey("templates.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("face", sa.String(10), primary_key=True),
        sa.Column("import_id", sa.String(64), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("content", sa.String(64), nullable=False),
    )
    op.create_index("ix_imported_photos_content", "imported_photos", ["content"])
    op.create_index("ix_imported_photos_person", "imported_photos", ["person", "import_id"])


def downgrade() -> None:
    """Drops the table."""
    op.drop_table("imported_photos")
