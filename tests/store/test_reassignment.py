"""Templates that are moved: their copies in another space, support sets, and repeated imports."""

from sqlalchemy import select

from app.store.collections import get_collection
from app.store.db.database import Database
from app.store.db.tables import TemplateRow
from app.store.erasures import delete_person
from app.store.imports import ImportedPhoto, add_imported, find_imported, find_imported_person
from app.store.people import Person, get_person, lock_person
from app.store.reassignment import move_all_templates, move_template
from app.store.shadow import open_shadow
from app.store.shadow_templates import ShadowTemplate, StoredPhoto, add_shadow_templates
from app.store.templates import list_templates
from app.vectors import EmbeddingSpace
from tests.store.galleries import WITHIN, add, find, index_sync, vector

OTHER = EmbeddingSpace("other", "sha256:other", 4)
FILE = ImportedPhoto.of("source", "Ada", b"photo", "subject")


def move(database: Database, source: Person, template_id: str, target: Person) -> None:
    with database.write() as session:
        person, locked = lock_person(session, source.person_id)
        move_template(session, locked, person, template_id, target.row_id)


def templates_of(database: Database, person: Person) -> list[str]:
    with database.read() as session:
        return [template.template_id for template in list_templates(session, person.person_id)]


def test_a_template_moves_in_every_space(database: Database) -> None:
    first, second = add(database, 0), add(database, 1)
    with database.write() as session:
        shadow = open_shadow(session, "people", OTHER)
        for row in session.scalars(select(TemplateRow)).all():
            photo = StoredPhoto(row.row_id, str(row.public_id), b"")
            assert add_shadow_templates(session, shadow, [ShadowTemplate(photo, vector(5), 0.5)])
    [moved] = templates_of(database, first)
    move(database, first, moved, second)
    assert templates_of(database, first) == []
    with database.write() as session:
        assert delete_person(session, first.person_id, WITHIN).templates == 0
        assert delete_person(session, second.person_id, WITHIN).templates == 4
        assert session.scalars(select(TemplateRow.row_id)).all() == []


def test_every_index_finds_enough_people_after_a_merge(database: Database) -> None:
    """The search fetches more templates for larger support sets; it must know their size."""
    people = [add(database, seed) for seed in range(12)]
    indexes = [index_sync(), index_sync()]
    assert all(len(find(database, index, 0)) == 3 for index in indexes)
    for person in people[1:10]:
        with database.write() as session:
            source, locked = lock_person(session, person.person_id)
            assert len(move_all_templates(session, locked, source, people[0].row_id)) == 1
            delete_person(session, person.person_id, WITHIN)
    for index in indexes:
        assert set(find(database, index, 4)) == {"P0", "P10", "P11"}
        assert find(database, index, 4)[0] == "P0"
    with database.read() as session:
        gallery = get_collection(session, "people")
        assert (gallery.size, gallery.largest_support_set) == (3, 10)
        assert get_person(session, people[0].person_id).photos == 10


def test_a_repeated_import_does_not_follow_a_moved_template(database: Database) -> None:
    """New photos of the folder belong to the person of its other photos, the moved one is known."""
    ada = add(database, 0)
    other = add(database, 1)
    add(database, 2, ada)
    with database.write() as session:
        kept, moved = list_templates(session, ada.person_id)
        for template in (kept, moved):
            add_imported(session, template, FILE)
    move(database, ada, moved.template_id, other)
    with database.read() as session:
        gallery = get_collection(session, "people")
        found = find_imported_person(session, gallery, FILE.import_id, FILE.person)
        assert found == ada.person_id
        assert find_imported(session, gallery, FILE) is not None
