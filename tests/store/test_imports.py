"""Records of bulk imports: they are deleted with their templates and survive a change of model."""

import pytest
from sqlalchemy import func, select

from app.store.collections import delete_collection, get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.tables import ImportedPhotoRow, TemplateRow
from app.store.erasures import delete_person
from app.store.imports import (
    ImportedPhoto,
    add_imported,
    find_imported,
    find_imported_face,
    find_imported_person,
)
from app.store.people import get_person
from app.store.shadow import cut_over, delete_shadow, open_shadow
from app.store.shadow_templates import ShadowTemplate, StoredPhoto, add_shadow_templates
from app.store.templates import list_templates
from app.vectors import EmbeddingSpace
from tests.store.galleries import WITHIN, add, vector

OTHER = EmbeddingSpace("other", "sha256:other", 4)
FILE = ImportedPhoto.of("source", "Ada", b"photo", "subject")


def add_file(database: Database, seed: int) -> str:
    """Adds a person with a template made from FILE; returns the person_id."""
    person_id = add(database, seed).person_id
    with database.write() as session:
        [template] = list_templates(session, person_id)
        add_imported(session, template, FILE)
        add_imported(session, template, FILE)  # no effect
    return person_id


def records(database: Database) -> int | None:
    """The number of records."""
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(ImportedPhotoRow))


@pytest.mark.parametrize(
    ("photo", "found"),
    [
        (FILE, True),
        (ImportedPhoto.of("another source", "Ada", b"photo", "subject"), True),
        (ImportedPhoto.of("source", "Ada", b"another photo", "subject"), False),
        (ImportedPhoto.of("source", "Grace", b"photo", "subject"), False),
        (ImportedPhoto.of("source", "Ada", b"photo", "largest"), False),
    ],
)
def test_a_file_is_found_by_person_content_and_face(
    database: Database, photo: ImportedPhoto, found: bool
) -> None:
    person_id = add_file(database, 1)
    with database.read() as session:
        stored = find_imported(session, get_collection(session, "people"), photo)
    assert (stored is not None) == found
    assert stored is None or stored.person.person_id == person_id


def test_a_face_of_a_file_is_found_by_its_vector(database: Database) -> None:
    person_id = add_file(database, 1)
    largest = ImportedPhoto.of("source", "Ada", b"photo", "largest")
    with database.read() as session:
        gallery = get_collection(session, "people")
        stored = find_imported_face(session, gallery, largest, vector(1))
        assert stored is not None
        assert stored.person.person_id == person_id
        assert find_imported_face(session, gallery, largest, vector(2)) is None


def test_a_record_is_deleted_with_its_template(database: Database) -> None:
    person_id = add_file(database, 1)
    assert records(database) == 1
    with database.write() as session:
        delete_person(session, person_id, WITHIN)
    assert records(database) == 0
    add_file(database, 2)
    with database.write() as session:
        delete_collection(session, lock_collection(session, get_collection(session, "people")))
    assert records(database) == 0


@pytest.mark.parametrize("migrated", [True, False])
def test_records_after_a_change_of_the_model(database: Database, migrated: bool) -> None:
    """A photo with a template of the new model is known; without one its person is known."""
    person_id = add_file(database, 1)
    with database.write() as session:
        shadow = open_shadow(session, "people", OTHER)
        if migrated:
            row = session.scalars(select(TemplateRow)).one()
            photo = StoredPhoto(row.row_id, str(row.public_id), b"")
            add_shadow_templates(session, shadow, [ShadowTemplate(photo, vector(9), 0.5)])
        cut_over(session, "people")
        if migrated:
            delete_shadow(session, "people")
    with database.read() as session:
        gallery = get_collection(session, "people")
        stored = find_imported(session, gallery, FILE)
        assert (stored is not None) == migrated
        assert find_imported_person(session, gallery, FILE.import_id, FILE.person) == person_id
        assert get_person(session, person_id).photos == int(migrated)
