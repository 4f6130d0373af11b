"""PostgreSQL builds a graph once there are rows enough, with whatever memory it is given."""

import logging
import secrets

import numpy as np
import pytest
from sqlalchemy import text

from app.index.pgvector import PgVectorIndex
from app.store.database import Database
from app.vectors import l2_normalize

ROWS, DIMENSION = 2_200, 1_024  # a table large enough that PostgreSQL wants workers for it


@pytest.mark.parametrize("memory", [64, 1_000_000])
def test_a_graph_is_built_however_little_memory_processes_may_share(
    postgres_indexes: str, memory: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A terabyte is refused as 100 megabytes are in a container that may share 64."""
    name, database = f"rows_{secrets.token_hex(6)}", Database(postgres_indexes)
    index = PgVectorIndex(DIMENSION, database, name, "key", 2_000, memory)
    vectors = l2_normalize(np.random.default_rng(0).standard_normal((ROWS, DIMENSION)))
    with caplog.at_level(logging.WARNING), index.applying():
        index.upsert(np.arange(ROWS), vectors)
        index.revision = 1
    assert ("one process" in caplog.text) == (memory > 64)
    with database.read() as session:
        plan = session.scalars(
            text(f"SELECT indexdef FROM pg_indexes WHERE tablename = '{name}'")  # noqa: S608 - our name
        ).all()
    assert any("hnsw" in one for one in plan), plan
    assert [row[0].template_id for row in index.search(vectors[:20], 1)] == list(range(20))
    index.drop()
    database.close()
