"""Detections of templates in the store."""

from sqlalchemy import select

from app.errors import PoorReason
from app.store.collections import get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.tables import TemplateRow
from app.store.detections import StoredDetection, add_detection, read_detections
from app.store.people import get_person
from app.store.shadow import cut_over, open_shadow
from app.store.shadow_templates import ShadowTemplate, StoredPhoto, add_shadow_templates
from app.store.templates import list_templates
from app.vectors import EmbeddingSpace
from tests.store.galleries import add, vector

OTHER = EmbeddingSpace("other", "sha256:other", 4)
DETECTION = StoredDetection(
    box=(10.5, 20.0, 100.0, 120.0),
    landmarks=((30.0, 60.0), (80.0, 60.0), (55.0, 80.0), (35.0, 110.0), (75.0, 110.0)),
    score=0.98,
    reasons=(PoorReason("too_dark", 17.2, 40.0),),
    source="درِ جلو",
    image_id=None,
)


def listed(database: Database, person_id: str) -> list[StoredDetection | None]:
    """The detections of a person's templates, oldest first."""
    with database.read() as session:
        templates = list_templates(session, person_id)
        found = read_detections(session, templates)
    return [found.get(template.template_id) for template in templates]


def test_a_detection_remains_after_a_change_of_the_model(database: Database) -> None:
    person = add(database, 1)
    add(database, 2, person)
    with database.write() as session:
        lock_collection(session, get_collection(session, "people"))
        add_detection(session, list_templates(session, person.person_id)[0], DETECTION)
    assert listed(database, person.person_id) == [DETECTION, None]

    with database.write() as session:
        shadow = open_shadow(session, "people", OTHER)
        for row in session.scalars(select(TemplateRow).order_by(TemplateRow.row_id)).all():
            photo = StoredPhoto(row.row_id, str(row.public_id), b"")
            add_shadow_templates(session, shadow, [ShadowTemplate(photo, vector(9), 0.5)])
    with database.write() as session:
        cut_over(session, "people")
        assert get_person(session, person.person_id).photos == 2
    assert listed(database, person.person_id) == [DETECTION, None]
