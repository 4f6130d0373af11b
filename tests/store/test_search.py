"""Search for the nearest people."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.index.exact import ExactIndex
from app.store.collections import (
    Collection,
    get_collection,
    lock_collection,
)
from app.store.db.database import Database
from app.store.index_sync import IndexSync
from app.store.people import NewPerson, add_person, get_person
from app.store.search import nearest_people
from app.store.templates import add_template
from app.vectors import Matrix, Neighbor, Vector, l2_normalize
from tests.store.galleries import add, find, index_sync, vector


def test_each_person_is_returned_once(database: Database) -> None:
    index = index_sync()
    crowd = add(database, 1)
    for seed in range(10, 40):
        add(database, seed, crowd)
    add(database, 2)
    add(database, 3)
    assert sorted(find(database, index, 1, k=3)) == ["P1", "P2", "P3"]


class CountingSync(IndexSync):
    """Counts the searches."""

    searches = 0

    def search(
        self, session: Session, collection: Collection, probes: Matrix, k: int
    ) -> list[list[Neighbor]]:
        """Counts, then searches."""
        self.searches += 1
        return super().search(session, collection, probes, k)


def test_at_most_two_searches_whatever_the_support_sets(database: Database) -> None:
    """One person has thirty templates near the probe, four others have one each."""
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        crowd = add_person(session, gallery, NewPerson("crowd", None, {"note": "x"}))
        for seed in range(30):
            person = get_person(session, crowd.person_id)
            add_template(session, gallery, person, vector(1) + 0.001 * vector(seed), 0.9)
    for seed in range(10, 14):
        add(database, seed)
    index = CountingSync(lambda collection: ExactIndex(collection.space.dimension))
    with database.read() as session:
        gallery = get_collection(session, "people")
        assert gallery.largest_support_set == 30
        for k in (1, 2, 5):
            index.searches = 0
            [nearest] = nearest_people(session, index, gallery, vector(1)[None], k, None)
            assert 1 <= index.searches <= 2
            assert len({found.person.person_id for found in nearest}) == len(nearest) == k
            assert nearest[0].person == get_person(session, crowd.person_id)
            assert nearest[0].person.photos == 30
        similarities = [found.similarity for found in nearest]
        assert similarities == sorted(similarities, reverse=True)


def enroll_vectors(database: Database, name: str, *vectors: Vector) -> None:
    """Enrolls a person with these templates."""
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        person = add_person(session, gallery, NewPerson(name, None, {}))
        for row in vectors:
            add_template(session, gallery, get_person(session, person.person_id), row, 0.9)


def unit(*numbers: float) -> Vector:
    return l2_normalize(np.array(numbers, dtype=np.float32))


def test_the_mean_of_a_support_set_is_compared_too(database: Database) -> None:
    enroll_vectors(database, "two photos", unit(1, 0, 0, 0), unit(0, 1, 0, 0))
    enroll_vectors(database, "one photo", unit(1, 1, 0.9, 0))
    index = index_sync()
    with database.read() as session:
        gallery = get_collection(session, "people")
        probe = unit(1, 1, 0, 0)[None]
        [nearest] = nearest_people(session, index, gallery, probe, 2, None)
    assert [found.person.name for found in nearest] == ["two photos", "one photo"]
    assert nearest[0].similarity == pytest.approx(1.0, abs=1e-6)


def test_people_are_ranked_by_similarity_less_correction(database: Database) -> None:
    enroll_vectors(database, "resembles many", unit(1, 0.1, 0, 0))
    enroll_vectors(database, "resembles few", unit(1, 0, 0.3, 0))

    def corrections(vectors: Matrix) -> NDArray[np.float32]:
        return np.where(vectors[:, 1] > 0, 0.2, 0.0).astype(np.float32)

    index = index_sync()
    with database.read() as session:
        gallery = get_collection(session, "people")
        probe = unit(1, 0, 0, 0)[None]
        [nearest] = nearest_people(session, index, gallery, probe, 2, corrections)
    assert [found.person.name for found in nearest] == ["resembles few", "resembles many"]
    assert [found.correction for found in nearest] == pytest.approx([0.0, 0.2])
    assert nearest[1].similarity > nearest[0].similarity, "similarity stays the cosine"
