"""In a large table codes choose the candidates; what they choose among is what is there."""

import secrets
from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import text

from app.index.exact import ExactIndex
from app.index.shared.pgvector import PgVectorIndex
from app.index.shared.sign_codes import BITS, SignCodes
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
    """Large enough for codes by the default's measure."""
    index = PgVectorIndex(vectors.shape[1], database, name, "key")
    with index.applying():
        index.upsert(numbered(len(vectors)), vectors)
        index.revision = 1
    return index


@pytest.mark.parametrize("dimension", [DIMENSION, 300, 600])
def test_codes_find_what_the_exact_index_finds(database: Database, dimension: int) -> None:
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


def test_every_row_has_its_code_and_a_large_table_asks_the_codes(database: Database) -> None:
    name, vectors = f"rows_{secrets.token_hex(6)}", clustered(ROWS, DIMENSION)
    index = filled(database, vectors, name)
    index.delete(numbered(10))
    with database.write() as session:
        missing = text(f"SELECT id FROM {name} EXCEPT SELECT id FROM {name}_codes")  # noqa: S608 - our name
        assert session.scalars(missing).all() == []
        session.execute(text(f"DELETE FROM {name}_codes WHERE id = 500"))  # noqa: S608 - our name
    found = index.search(vectors[499:500], 5)[0]
    assert 500 not in {one.row_id for one in found}, "nobody asked the codes"
    index.purge()


def test_tables_of_an_older_layout_are_made_anew(database: Database) -> None:
    name, vectors = f"rows_{secrets.token_hex(6)}", clustered(50, DIMENSION)
    filled(database, vectors, name)
    with database.write() as session:
        session.execute(text(f"DROP TABLE {name}_codes"))
        old = "UPDATE index_states SET key = 'key' WHERE name = :name"
        session.execute(text(old), {"name": name})
    index = PgVectorIndex(DIMENSION, database, name, "key")
    assert (index.size(), index.revision) == (0, 0), "the journal fills it again"
    index.upsert(numbered(50), vectors)
    assert index.search(vectors[:1], 1)[0][0].row_id == 1
    index.purge()


def test_bits_tell_angles() -> None:
    rng = np.random.default_rng(3)
    for dimension in (8, 50, 256, 512, 700):
        one = l2_normalize(rng.standard_normal((200, dimension)))
        other = l2_normalize(rng.standard_normal((200, dimension)))
        angle = np.arccos(np.clip((one * other).sum(axis=1), -1, 1))
        codes = SignCodes(dimension)
        differing = np.unpackbits(codes(one) ^ codes(other), axis=1).mean(axis=1)
        assert codes(one).shape == (200, BITS // 8)
        assert np.abs(differing * np.pi - angle).mean() < 0.08


def test_codes_are_the_same_in_every_process() -> None:
    """They lie in databases: what another version of NumPy would compute must fit to them."""
    code = SignCodes(4)(np.eye(4, dtype=np.float32)[:1])
    assert code[0, :8].tobytes().hex() == "00d4898fa293ec65"
