"""Renames counterparts to shadow collections."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Renames the column, its index and the stored kind."""
    _rename("counterpart_of", "shadow_of")
    _replace_index("uq_collections_counterpart", "uq_collections_shadow", "shadow_of")
    _replace_kind("counterpart", "shadow")


def downgrade() -> None:
    """Restores the names of revision 0006."""
    _replace_kind("shadow", "counterpart")
    _rename("shadow_of", "counterpart_of")
    _replace_index("uq_collections_shadow", "uq_collections_counterpart", "counterpart_of")


def _rename(old: str, new: str) -> None:
    # Both databases rename in place; a batch operation would copy the SQLite table.
    op.execute(f"ALTER TABLE collections RENAME COLUMN {old} TO {new}")


def _replace_index(old: str, new: str, column: str) -> None:
    op.drop_index(old, "collections")
    op.create_index(new, "collections", [column], unique=True)


def _replace_kind(old: str, new: str) -> None:
    collections = sa.table("collections", sa.column("kind", sa.String))
    op.execute(collections.update().where(collections.c.kind == old).values(kind=new))
