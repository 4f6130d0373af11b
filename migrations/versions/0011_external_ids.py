"""Makes external ids unique within a collection, unless there are duplicates."""

import sqlalchemy as sa
from alembic import op

from app.logs import get_logger

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_log = get_logger("migrations")

_INDEX = "uq_entries_external_id"
_DUPLICATES = sa.text("""
SELECT c.name, e.collection_id, e.external_id, e.public_id
FROM entries e JOIN collections c ON c.id = e.collection_id
WHERE EXISTS (
    SELECT 1 FROM entries other
    WHERE other.collection_id = e.collection_id AND other.external_id = e.external_id
    AND other.id <> e.id)
ORDER BY e.collection_id, e.external_id, e.id
""")


def upgrade() -> None:
    """Creates the unique index. Lists people who share an external id instead, and keeps them.

    External ids are personal data, so only the ids of the people are logged.
    """
    people: dict[tuple[str, str], list[str]] = {}
    for collection, _, external_id, person_id in op.get_bind().execute(_DUPLICATES):
        people.setdefault((collection, external_id), []).append(person_id)
    for (collection, _), person_ids in people.items():
        _log.warning("external_id_shared", collection=collection, person_ids=person_ids)
    if people:
        _log.warning(
            "external_ids_not_unique",
            shared=len(people),
            message="the unique index was not created and nobody was changed; new duplicates are "
            "refused; give each listed person an external_id of their own with PATCH /persons",
        )
        return
    op.create_index(
        _INDEX,
        "entries",
        ["collection_id", "external_id"],
        unique=True,
        sqlite_where=sa.text("external_id IS NOT NULL"),
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Drops the unique index, if it exists."""
    op.drop_index(_INDEX, "entries", if_exists=True)
