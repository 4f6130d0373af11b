"""A gallery of vectors with four dimensions, for tests of the store without a model."""

from datetime import timedelta
from pathlib import Path

import numpy as np

from app.index.faiss.index import FaissIndex
from app.store.collections import Collection, get_collection, lock_collection
from app.store.db.database import Database
from app.store.index_sync import IndexSync
from app.store.people import NewPerson, Person, add_person
from app.store.search import nearest_people
from app.store.templates import add_template
from app.vectors import EmbeddingSpace, Matrix, l2_normalize

WITHIN = timedelta(minutes=10)
SPACE = EmbeddingSpace("test", "sha256:test", 4)


def vector(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Returns a unit vector."""
    return l2_normalize(np.random.default_rng(seed).normal(size=4))


def index_sync(folder: Path | None = None) -> IndexSync:
    """Returns the indexes of a new process; with snapshots if `folder` is given."""

    def open_index(collection: Collection) -> FaissIndex:
        file = folder / f"{collection.row_id}.faiss" if folder else None
        return FaissIndex(collection.space.dimension, file, "key")

    return IndexSync(open_index)


def add(database: Database, seed: int, person: Person | None = None) -> Person:
    """Adds a template to a person, or to a new person named `P{seed}`."""
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        person = person or add_person(session, gallery, NewPerson(f"P{seed}", None, {}))
        add_template(session, gallery, person, vector(seed), 0.9)
        return person


def find(database: Database, index: IndexSync, seed: int, k: int = 3) -> list[str]:
    """Returns the names of the people nearest to the vector of `seed`."""
    with database.read() as session:
        gallery = get_collection(session, "people")
        [nearest] = nearest_people(session, index, gallery, vector(seed)[None], k, None)
    return [found.person.name for found in nearest]


def made_up_people(people: int, photos: int, dimension: int, seed: int = 0) -> Matrix:
    """Returns unit vectors of people with cosines of about 0.8 between photos of one person.

    Shape (people, photos, dimension); different people are random directions.
    """
    rng = np.random.default_rng(seed)
    person = l2_normalize(rng.normal(size=(people, dimension)))
    noise = l2_normalize(rng.normal(size=(people * photos, dimension)))
    vectors = np.repeat(person, photos, axis=0) + 0.5 * noise
    return l2_normalize(vectors).reshape(people, photos, dimension)


def add_people(database: Database, collection: str, vectors: Matrix) -> list[str]:
    """Adds people with templates (people, photos, dimension); returns their person_ids."""
    found = []
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, collection))
        for number, photos in enumerate(vectors):
            person = add_person(session, gallery, NewPerson(f"P{number}", None, {}))
            for row in photos:
                add_template(session, gallery, person, row, 0.9)
            found.append(person.person_id)
    return found
