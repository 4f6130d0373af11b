"""Searches by a part of a name: the database finds what a comparison of all names would find."""

from app.crypto.keyring import Keyring, new_key, read_keys
from app.store.collections import get_collection, lock_collection
from app.store.db.database import Database
from app.store.people import NewPerson, add_person, change_person, list_persons
from app.store.person_search import PersonSearch

NAMES = (
    *(
        "Barack Obama",
        "barack o'bama",
        "Michelle OBAMA",
        "Ömer Aşkın",
        "O\u0308MER",
        "İpek",
        "ipek",
    ),
    *("Straße", "STRASSE", "ΣΊΣΥΦΟΣ", "Σίσυφος", "100%_sure", "1000 sure", "back\\slash", "*?[a]"),
    *("باراک اوباما", "علي", "علی", "😀 Smiley", "e\u0301tude", "étude", "a  b", "ﬁn"),
)
PARTS = (
    *(
        "obama",
        "OBAMA",
        "o'b",
        "ö",
        "O\u0308",
        "ÖMER",
        "i",
        "İ",
        "ss",
        "ß",
        "σίσ",
        "Σ",
        "ς",
        "%",
        "_",
    ),
    *("0%_", "\\", "*", "?[", "اوباما", "ی", "ي", "😀", "é", "E\u0301", "  ", " ", "", "fi", "zzz"),
)


def add(database: Database, *names: str) -> dict[str, str]:
    """Adds people; returns their names by id."""
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        people = [add_person(session, gallery, NewPerson(name, None, {})) for name in names]
    return {one.person_id: one.name for one in people}


def found(database: Database, search: PersonSearch, limit: int = 100) -> list[str]:
    """The ids of the first people who are found."""
    with database.read() as session:
        gallery = get_collection(session, "people")
        return [one.person_id for one in list_persons(session, gallery, search, 0, limit)]


def expect_all_searches(database: Database, people: dict[str, str]) -> None:
    """Every search finds those whose name matches, in order of enrollment."""
    for part in PARTS:
        searches = (
            PersonSearch(part=part),
            PersonSearch(name=part),
            PersonSearch(name=part, part=part),
            PersonSearch(name="o", part=part),
        )
        for search in searches:
            expected = [person for person, name in people.items() if search.matches(name)]
            assert found(database, search) == expected, search
            assert found(database, search, 2) == expected[:2], search


def test_plain_names_are_found(database: Database) -> None:
    people = add(database, *NAMES)
    expect_all_searches(database, people)


def test_plain_and_encrypted_names_are_found_side_by_side(database: Database) -> None:
    people = add(database, *NAMES[::2])
    database.keyring = Keyring(read_keys(new_key(), None))
    people |= add(database, *NAMES[1::2])
    expect_all_searches(database, people)


def test_a_changed_name_is_found_instead_of_the_former_one(database: Database) -> None:
    [person] = add(database, "Barack")
    with database.write() as session:
        change_person(session, person, {"name": "Hussein"})
    assert found(database, PersonSearch(part="HUSS")) == [person]
    assert found(database, PersonSearch(part="bara")) == []
