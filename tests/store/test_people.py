"""People of a gallery: external ids are unique, also under concurrency and after a cut-over,
encrypted or not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.crypto.keyring import Keyring, new_key, read_keys
from app.errors import ExternalIdTaken
from app.store.collections import create_collection, get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.store.db.tables import GALLERY
from app.store.erasures import delete_person
from app.store.people import NewPerson, Person, add_person, change_person, list_persons
from app.store.person_search import EVERYBODY
from app.store.shadow import cut_over, open_shadow, roll_back
from app.vectors import EmbeddingSpace
from tests.store.galleries import SPACE, WITHIN

OTHER = EmbeddingSpace("other", "sha256:other", 6)


@pytest.fixture(params=["plain", "encrypted"])
def database(request: pytest.FixtureRequest, empty: Database, empty_url: str) -> Iterator[Database]:
    """A migrated database with one empty gallery, `people`; with or without encryption keys."""
    keys = read_keys(new_key(), None) if request.param == "encrypted" else ()
    opened = Database(empty_url, Keyring(keys), busy_seconds=60.0)
    upgrade(opened)
    with opened.write() as session:
        create_collection(session, "people", GALLERY, SPACE)
    yield opened
    opened.close()


def add(database: Database, external_id: str | None, collection: str = "people") -> Person:
    """Adds a person without templates."""
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, collection))
        return add_person(session, gallery, NewPerson("P", external_id, {}))


def change(database: Database, person: Person, external_id: str | None) -> None:
    """Changes the external id of a person."""
    with database.write() as session:
        change_person(session, person.person_id, {"external_id": external_id})


def external_ids(database: Database) -> list[str | None]:
    """Returns the external ids of the gallery `people`, in order of enrollment."""
    with database.read() as session:
        gallery = get_collection(session, "people")
        return [one.external_id for one in list_persons(session, gallery, EVERYBODY, 0, 100)]


def test_an_external_id_has_one_holder(database: Database) -> None:
    holder, other = add(database, "1"), add(database, "2")
    for write in (lambda: add(database, "1"), lambda: change(database, other, "1")):
        with pytest.raises(ExternalIdTaken) as raised:
            write()
        assert raised.value.person_id == holder.person_id
    assert external_ids(database) == ["1", "2"]


def test_people_without_an_external_id_are_not_limited(database: Database) -> None:
    add(database, None)
    add(database, None)
    assert external_ids(database) == [None, None]


def test_another_gallery_may_use_the_same_external_id(database: Database) -> None:
    add(database, "1")
    with database.write() as session:
        create_collection(session, "others", GALLERY, SPACE)
    add(database, "1", "others")


def test_the_external_id_of_a_deleted_or_changed_person_is_free(database: Database) -> None:
    first, second = add(database, "1"), add(database, "2")
    with database.write() as session:
        delete_person(session, first.person_id, WITHIN)
    change(database, second, None)
    add(database, "1")
    change(database, second, "2")
    assert external_ids(database) == ["2", "1"]


def test_concurrent_writers_create_no_second_holder(database: Database) -> None:
    """Half of the writers add a person, half change one."""
    people = [add(database, None) for _ in range(4)]

    def write(number: int) -> bool:
        try:
            if number % 2:
                add(database, "1")
            else:
                change(database, people[number // 2], "1")
        except ExternalIdTaken:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 1
    assert external_ids(database).count("1") == 1


def test_external_ids_stay_unique_after_a_change_of_the_model(database: Database) -> None:
    """The people belong to the shadow collection after a cut-over."""
    add(database, "1")
    with database.write() as session:
        open_shadow(session, "people", OTHER)
    for swap in (cut_over, roll_back):
        with database.write() as session:
            swap(session, "people")
        with pytest.raises(ExternalIdTaken):
            add(database, "1")
        other = add(database, None)
        with pytest.raises(ExternalIdTaken):
            change(database, other, "1")
