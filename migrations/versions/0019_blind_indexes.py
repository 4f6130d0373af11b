"""Lets names and external ids be encrypted: adds blind indexes and room for ciphertexts."""

import sqlalchemy as sa
from alembic import op

from app.errors import InvalidRequest

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_FIELDS = {"name": 400, "external_id": 200}


def upgrade() -> None:
    """Adds the columns; the start of the service encrypts the rows, in blocks."""
    for field in _FIELDS:
        op.add_column("entries", sa.Column(f"{field}_index", sa.String(32), nullable=True))
        op.create_index(
            f"ix_entries_{field}_index", "entries", ["collection_id", f"{field}_index"]
        )
        _resize(field, 1200)


def downgrade() -> None:
    """Drops the columns. Raises InvalidRequest if there are encrypted names."""
    encrypted = "SELECT count(*) FROM entries WHERE name_index IS NOT NULL"
    if op.get_bind().execute(sa.text(encrypted)).scalar_one():
        raise InvalidRequest(
            "revision",
            "names are encrypted, which earlier versions cannot read; restore a backup instead",
        )
    for field, length in _FIELDS.items():
        op.drop_index(f"ix_entries_{field}_index", "entries")
        op.drop_column("entries", f"{field}_index")
        _resize(field, length)


def _resize(field: str, length: int) -> None:
    # SQLite does not enforce lengths; a batch operation would copy the table.
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("entries", field, type_=sa.String(length))
