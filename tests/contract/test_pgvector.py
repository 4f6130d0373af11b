"""pgvector engine: sign codes select the candidates in a large table."""

import secrets
from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import text

from app.index.exact import ExactIndex
from app.index.shared.pgvector import PgVectorIndex
from app.store.db.database import Database
from app.vectors import Matrix, l2_normalize
from tests.contract.test_faiss import clustered
from tests.contract.test_index import numbered

ROWS, DIMENSION = 12_000, 32


@pytest.fixture(name="database")
def _database(postgres_indexes: str) -> Iterator[Database]:
    database = Database(postgres_indexes)
    yield database
    database.close()


def filled(database: Database, vectors: Matrix, name: str) -> PgVectorIndex:
    """An index with enough rows for sign codes by default."""
    index = PgVectorIndex(vectors.shape[1], database, name, "key")
    with index.applying():
        index.upsert(numbered(len(vectors)), vectors)
        index.revision = 1
    return index


@pytest.mark.parametrize("dimension", [DIMENSION, 300, 600])
def test_candidates_contain_the_nearest_rows(database: Database, dimension: int) -> None:
    vectors = clustered(ROWS, dimension)
    index = filled(database, vectors, f"rows_{secrets.token_hex(6)}")
    exact = ExactIndex(dimension)
    exact.upsert(numbered(ROWS), vectors)
    probes = l2_normalize(vectors[::600] + 0.3 * clustered(20, dimension))
    wanted, found = exact.search(probes, 10), index.search(probes, 10)
    assert [row[0].row_id for row in found] == [row[0].row_id for row in wanted]
    same = [
        len({n.row_id for n in one} & {n.row_id for n in other})
        for one, other in zip(found, wanted, strict=True)
    ]
    assert np.mean(same) >= 9.9
    for one, other in zip(found, wanted, strict=True):
        assert one[0].similarity == pytest.approx(other[0].similarity, abs=1e-5)
    index.purge()


def test_every_row_has_a_code_and_codes_select_the_candidates(database: Database) -> None:
    name, vectors = f"rows_{secrets.token_hex(6)}", clustered(ROWS, DIMENSION)
    index = filled(database, vectors, name)
    index.delete(numbered(10))
    with database.write() as session:
        missing = text(f"SELECT id FROM {name} EXCEPT SELECT id FROM {name}_codes")  # noqa: S608 - our name
        assert session.scalars(missing).all() == []
        session.execute(text(f"DELETE FROM {name}_codes WHERE id = 500"))  # noqa: S608 - our name
    found = index.search(vectors[499:500], 5)[0]
    assert 500 not in {one.row_id for one in found}, "the codes were not used"
    index.purge()


def test_tables_of_an_earlier_layout_are_rebuilt(database: Database) -> None:
    name, vectors = f"rows_{secrets.token_hex(6)}", clustered(50, DIMENSION)
    filled(database, vectors, name)
    with database.write() as session:
        session.execute(text(f"DROP TABLE {name}_codes"))
        old = "UPDATE index_states SET key = 'key' WHERE name = :name"
        session.execute(text(old), {"name": name})
    index = PgVectorIndex(DIMENSION, database, name, "key")
    assert (index.size(), index.revision) == (0, 0), "to be filled from the journal"
    index.upsert(numbered(50), vectors)
    assert index.search(vectors[:1], 1)[0][0].row_id == 1
    index.purge()
