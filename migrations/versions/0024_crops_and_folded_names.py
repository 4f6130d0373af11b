"""Stores crops of enrolled faces, their number in erasure receipts, and folded names."""

import hashlib
import json
import unicodedata
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_BEFORE = [
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("subject", sa.String(64)),
    sa.Column("collection", sa.String(100)),
    sa.Column("templates", sa.Integer),
    sa.Column("photos", sa.Integer),
    sa.Column("erased_at", _TIME),
    sa.Column("complete_by", _TIME),
    sa.Column("completed_at", _TIME),
]


_BLOCK = 1_000  # rows


def upgrade() -> None:
    """Adds the table of crops, and what people are searched by."""
    _add_crops()
    op.add_column("entries", sa.Column("name_folded", sa.String(1200)))
    _fold_names()


def downgrade() -> None:
    """Deletes all crops."""
    op.drop_column("entries", "name_folded")
    op.drop_column("erasures", "crops")
    op.drop_table("crops")
    _write_digests(_BEFORE)


def _add_crops() -> None:
    """The digests of receipts then cover the new column."""
    op.create_table(
        "crops",
        sa.Column(
            "template_id",
            sa.Integer,
            sa.ForeignKey("templates.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("kept_until", _TIME, nullable=False),
    )
    op.create_index("ix_crops_kept_until", "crops", ["kept_until"])
    op.add_column("erasures", sa.Column("crops", sa.Integer, nullable=False, server_default="0"))
    _write_digests([*_BEFORE, sa.Column("crops", sa.Integer)])


def _fold_names() -> None:
    """Folds the names of people that are not encrypted."""
    columns = ("id", "name", "name_index", "name_folded", "rank")
    table = sa.table("entries", *(sa.column(name) for name in columns))
    plain = (table.c.rank.is_(None), table.c.name_index.is_(None))
    changed = (
        table.update()
        .where(table.c.id == sa.bindparam("row_id"))
        .values(name_folded=sa.bindparam("folded"))
    )
    connection, after = op.get_bind(), 0
    while True:
        query = sa.select(table.c.id, table.c.name).where(*plain, table.c.id > after)
        rows = connection.execute(query.order_by(table.c.id).limit(_BLOCK)).all()
        if not rows:
            return
        folded = [{"row_id": row_id, "folded": _fold(name)} for row_id, name in rows]
        connection.execute(changed, folded)
        after = rows[-1][0]


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _write_digests(columns: list[sa.Column[object]]) -> None:
    """Sets the digests of all receipts to the SHA-256 of these columns."""
    table = sa.table("erasures", *columns, sa.Column("digest", sa.String(64)))
    connection = op.get_bind()
    for row in connection.execute(sa.select(*(table.c[one.name] for one in columns))).mappings():
        written = json.dumps(dict(row), sort_keys=True, default=_text_of_time)
        digest = hashlib.sha256(written.encode()).hexdigest()
        connection.execute(table.update().where(table.c.id == row["id"]).values(digest=digest))


def _text_of_time(moment: datetime) -> str:
    in_utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return in_utc.isoformat()
