"""Stores an audit log whose rows are chained by hash."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Creates the tables, and an empty chain."""
    op.create_table(
        "audit_log",
        sa.Column("sequence", _SEQUENCE, primary_key=True, autoincrement=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(100)),
        sa.Column("address", sa.String(64)),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("collection", sa.String(100)),
        sa.Column("person_id", sa.String(40)),
        sa.Column("decision", sa.String(40), nullable=False),
        sa.Column("request_id", sa.String(64)),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    chain = op.create_table(
        "audit_chain",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sequence", _SEQUENCE, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("pruned_sequence", _SEQUENCE, nullable=False),
        sa.Column("pruned_hash", sa.String(64), nullable=False),
    )
    empty = {"sequence": 0, "hash": "0" * 64, "pruned_sequence": 0, "pruned_hash": "0" * 64}
    op.bulk_insert(chain, [{"id": 1, **empty}])


def downgrade() -> None:
    """Drops the tables with the audit log."""
    op.drop_table("audit_chain")
    op.drop_table("audit_log")
