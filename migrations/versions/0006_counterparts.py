"""Let a gallery have a shadow collection: its people in the space of another model."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns, empty in existing rows."""
    op.add_column("collections", sa.Column("counterpart_of", sa.Integer, nullable=True))
    op.create_index("uq_collections_counterpart", "collections", ["counterpart_of"], unique=True)
    op.add_column("templates", sa.Column("origin", sa.String(40), nullable=True))
    op.create_index("ix_templates_origin", "templates", ["origin"])


def downgrade() -> None:
    """Delete the shadow collections with their templates and drop the columns."""
    counterparts = "SELECT id FROM collections WHERE counterpart_of IS NOT NULL"
    for table in ("journal", "templates"):
        op.execute(f"DELETE FROM {table} WHERE collection_id IN ({counterparts})")
    op.execute("DELETE FROM collections WHERE counterpart_of IS NOT NULL")
    op.drop_index("ix_templates_origin", "templates")
    op.drop_column("templates", "origin")
    op.drop_index("uq_collections_counterpart", "collections")
    op.drop_column("collections", "counterpart_of")
