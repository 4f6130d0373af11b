"""Encrypted names and external ids of people: lookups, encryption of stored rows, rotation."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

from app.commands.setup import prepare_data
from app.crypto.keyring import Keyring, new_key, read_keys
from app.errors import DecryptionFailed, ExternalIdTaken, InvalidRequest
from app.settings import Settings
from app.store.collections import create_collection, get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.rotation import encrypt_people, rotate
from app.store.db.schema import downgrade, upgrade
from app.store.db.tables import GALLERY, EntryRow
from app.store.people import NewPerson, add_person, change_person, get_person, list_persons
from app.store.person_search import PersonSearch
from tests.conftest import make_settings
from tests.store.data_folder import files_with
from tests.store.galleries import SPACE

PEOPLE = 1_100  # three blocks
NAME, EXTERNAL_ID = "Zarathustra", "staff-number"


def keyring(*keys: str) -> Keyring:
    """Keys, newest first."""
    return Keyring(read_keys(",".join(keys), None))


class Opener:
    """Opens a database again and again, and closes all at the end."""

    def __init__(self, url: str) -> None:
        self.url, self.databases = url, list[Database]()

    def __call__(self, *keys: str) -> Database:
        self.databases.append(Database(self.url, keyring(*keys)))
        return self.databases[-1]


@pytest.fixture
def plain(database: Database) -> Database:
    """A gallery `people` of P0, P1, ... with the external ids x0, x1, ..., not encrypted."""
    with database.write() as session:
        owner = {"collection_id": get_collection(session, "people").row_id, "attributes": {"a": 1}}
        rows = [
            {"public_id": f"p{i}", "name": f"P{i}", "external_id": f"x{i}"} | owner
            for i in range(PEOPLE)
        ]
        session.execute(insert(EntryRow), rows)
    return database


@pytest.fixture
def opened(empty_url: str) -> Iterator[Opener]:
    """Opens the same database with keys."""
    opener = Opener(empty_url)
    yield opener
    for one in opener.databases:
        one.close()


def find(database: Database, name: str | None = None, external_id: str | None = None) -> list[str]:
    """The ids of the people with exactly this name or external id."""
    search = PersonSearch(exact_name=name, external_id=external_id)
    with database.read() as session:
        gallery = get_collection(session, "people")
        people = list_persons(session, gallery, search, 0, PEOPLE)
        assert all(person.metadata == {"a": 1} for person in people)
        return [one.person_id for one in people]


def plain_people(database: Database) -> int:
    """The number of people with an unencrypted name."""
    with database.read() as session:
        query = select(func.count(EntryRow.row_id)).where(EntryRow.name_index.is_(None))
        return session.scalar(query) or 0


def add(database: Database, name: str, external_id: str) -> str:
    """Adds a person and returns the id."""
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        return add_person(session, gallery, NewPerson(name, external_id, {"a": 1})).person_id


def test_stored_people_are_encrypted_in_blocks_and_found_at_any_moment(
    plain: Database, opened: Opener
) -> None:
    key = new_key()
    database = opened(key)
    assert (plain_people(database), find(database, name="P7")) == (PEOPLE, ["p7"])

    def stop(rows: int) -> None:
        if rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(database, stop)
    assert 0 < plain_people(database) < PEOPLE
    for number in (7, PEOPLE - 1):
        assert find(database, name=f"P{number}") == [f"p{number}"]
        assert find(database, external_id=f"x{number}") == [f"p{number}"]
        with pytest.raises(ExternalIdTaken):
            add(database, "Other", f"x{number}")

    left = plain_people(database)
    assert encrypt_people(database) == left
    assert (plain_people(database), encrypt_people(database)) == (0, 0)
    assert find(database, name="P1099") == ["p1099"]
    assert encrypt_people(plain) == 0, "nothing to do without keys"


def test_people_are_found_during_and_after_a_rotation(plain: Database, opened: Opener) -> None:
    old, new = new_key(), new_key()
    encrypt_people(opened(old))
    both = opened(new, old)
    added = add(both, "P7", "y7")
    assert find(both, name="P7") == ["p7", added]
    with pytest.raises(ExternalIdTaken):
        add(both, "Other", "x7")
    assert rotate(both, lambda _rows: None).people == PEOPLE
    assert rotate(both, lambda _rows: None).people == 0
    final = opened(new)
    assert find(final, name="P7") == ["p7", added]
    with final.write() as session:
        change_person(session, "p7", {"name": "Renamed", "external_id": None})
    assert (find(final, name="P7"), find(final, name="Renamed")) == ([added], ["p7"])
    assert find(final, external_id="x7") == []
    with final.read() as session:
        assert get_person(session, "p7").external_id is None


@pytest.fixture
def secretive(tmp_path: Path) -> Settings:
    """Settings of an SQLite database of 1,100 people, stored without keys. Their names have
    different lengths, so that SQLite moves rows between pages when they are encrypted."""
    settings = make_settings(tmp_path, default_vocabulary="")
    database = Database(settings.effective_database_url)
    upgrade(database)
    with database.write() as session:
        owner = create_collection(session, "people", GALLERY, SPACE).row_id
        rows = [
            {"collection_id": owner, "public_id": f"p{i}", "name": NAME + "y" * (i % 90)}
            | {"external_id": f"{EXTERNAL_ID}{i}", "attributes": {"note": NAME}}
            for i in range(PEOPLE)
        ]
        session.execute(insert(EntryRow), rows)
    database.close()
    assert readable(settings), "the search finds unencrypted texts"
    return settings


def readable(settings: Settings) -> list[str]:
    """The files with a name, an external id or metadata of the people of `secretive`."""
    texts = (NAME, EXTERNAL_ID)
    return [file for text in texts for file in files_with(settings.data_dir, text.encode())]


def test_the_start_leaves_nothing_readable_in_the_files(secretive: Settings) -> None:
    prepare_data(make_settings(secretive.data_dir, encryption_keys=new_key()))
    assert readable(secretive) == []


def test_the_rotation_leaves_nothing_readable_in_the_files(secretive: Settings) -> None:
    old, new = new_key(), new_key()
    for keys in ((old,), (new, old)):
        database = Database(secretive.effective_database_url, keyring(*keys))
        assert rotate(database, lambda _rows: None).people == PEOPLE
        assert database.rewrite_file()
        assert readable(secretive) == []
        database.close()


def test_a_file_is_not_rewritten_during_the_transaction_of_another_writer(
    secretive: Settings,
) -> None:
    database = Database(secretive.effective_database_url, busy_seconds=0.1)
    other = Database(secretive.effective_database_url)
    with other.write():
        assert not database.rewrite_file()
    other.close()
    assert database.rewrite_file()
    database.close()


def test_people_with_metadata_of_a_missing_key_do_not_prevent_the_start(
    database: Database, opened: Opener
) -> None:
    """Their names were stored by a version that encrypted metadata only."""
    lost, present = new_key(), new_key()
    person_id = add(opened(lost), "P7", "x7")
    with database.write() as session:
        texts = {"name": "P7", "external_id": "x7", "name_index": None, "external_id_index": None}
        session.execute(update(EntryRow).values(texts))
    changed = opened(present)
    assert encrypt_people(changed) == 1
    assert plain_people(changed) == 0
    with pytest.raises(DecryptionFailed, match="not in the encryption keys"):
        rotate(changed, lambda _rows: None)
    assert find(opened(present, lost), name="P7") == [person_id]


def test_a_text_that_equals_a_stored_ciphertext_finds_nobody(
    database: Database, opened: Opener
) -> None:
    encrypted = opened(new_key())
    add(encrypted, "P7", "x7")
    with database.read() as session:
        ciphertext = session.scalar(select(EntryRow.external_id))
    assert ciphertext is not None
    for one in (database, encrypted):
        assert find(one, external_id=ciphertext) == []
    added = add(encrypted, "Other", ciphertext)
    assert find(encrypted, external_id=ciphertext) == [added]


def test_a_change_encrypts_all_fields_of_a_person(plain: Database, opened: Opener) -> None:
    key = new_key()
    with opened(key).write() as session:
        change_person(session, "p7", {"name": "P7 changed"})
    with plain.read() as session:
        row = session.scalars(select(EntryRow).where(EntryRow.public_id == "p7")).one()
        assert row.name_index is not None
        assert row.external_id_index is not None
        assert isinstance(row.attributes, str)
    assert plain_people(plain) == PEOPLE - 1


def test_a_downgrade_of_encrypted_names_is_refused(plain: Database, opened: Opener) -> None:
    downgrade(plain, "0013")
    database = opened(new_key())
    upgrade(database)
    encrypt_people(database)
    with pytest.raises(InvalidRequest, match="restore a backup"):
        downgrade(database, "0013")
    assert find(database, name="P7") == ["p7"]
