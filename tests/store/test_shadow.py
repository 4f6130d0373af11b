"""Shadow collections: migration of a gallery to another model, cut-over and roll-back."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update

from app.crypto.keyring import new_key
from app.errors import ShadowExists, ShadowNotFound, SpaceMismatch
from app.store.collections import get_collection, lock_collection
from app.store.db.database import Database
from app.store.db.image_tables import PhotoRow
from app.store.db.schema import downgrade, upgrade
from app.store.db.tables import TemplateRow, now
from app.store.erasures import delete_person
from app.store.people import get_person
from app.store.search import nearest_people
from app.store.shadow import (
    cut_over,
    delete_shadow,
    get_shadow,
    open_shadow,
    roll_back,
)
from app.store.shadow_templates import (
    ShadowTemplate,
    StoredPhoto,
    add_shadow_templates,
    people_without_template,
)
from app.store.templates import list_templates
from app.vectors import EmbeddingSpace, l2_normalize
from tests import models
from tests.commands.test_cli import sima
from tests.conftest import MakeClient, enroll, services_of, upload
from tests.store.galleries import SPACE, WITHIN, add, find, index_sync

OLD, NEW = models.SHIPPED.name, models.OTHER.name
OTHER = EmbeddingSpace("other", "sha256:other", 6)


def other_vector(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Returns a unit vector of the other space."""
    return l2_normalize(np.random.default_rng(seed).normal(size=6))


def add_shadow_template(database: Database, seed: int) -> None:
    """Adds the template of `P{seed}` in the other space; adding it twice has no effect."""
    with database.write() as session:
        shadow = open_shadow(session, "people", OTHER)
        row = session.scalars(select(TemplateRow).order_by(TemplateRow.row_id)).all()[seed]
        photo = StoredPhoto(row.row_id, str(row.public_id), b"")
        template = ShadowTemplate(photo, other_vector(seed), 0.5)
        assert add_shadow_templates(session, shadow, [template]) == 1
        assert add_shadow_templates(session, shadow, [template]) == 0


def test_cut_over_and_roll_back_switch_between_two_spaces(database: Database) -> None:
    people = [add(database, seed) for seed in range(3)]
    index = index_sync()
    add_shadow_template(database, 0)
    add_shadow_template(database, 1)
    assert find(database, index, 0, 1) == ["P0"]
    with database.write() as session:
        before = get_collection(session, "people")
        missing = people_without_template(session, before, get_shadow(session, before))
        assert [one.name for one in missing] == ["P2"]
        ids = [list_templates(session, person.person_id) for person in people]
        gallery, old = cut_over(session, "people")
    assert (gallery.space, gallery.size) == (OTHER, 3)
    assert old.space == before.space
    with database.read() as session:
        [nearest] = nearest_people(session, index, gallery, other_vector(1)[None], 2, None)
        assert [found.person.name for found in nearest] == ["P1", "P0"]
        assert nearest[0].template_id == ids[1][0].template_id
        assert [get_person(session, p.person_id).photos for p in people] == [1, 1, 0]
        assert list_templates(session, people[0].person_id)[0].template_id == ids[0][0].template_id
    with database.write() as session:
        roll_back(session, "people")
    assert find(database, index, 2, 1) == ["P2"]


def test_cut_over_and_roll_back_refuse_to_reverse_themselves(database: Database) -> None:
    """A repeated command must not silently undo the first one."""
    add(database, 0)
    add_shadow_template(database, 0)
    with database.write() as session:
        with pytest.raises(ShadowNotFound, match="not been cut over"):
            roll_back(session, "people")
        cut_over(session, "people")
        with pytest.raises(ShadowNotFound, match="already"):
            cut_over(session, "people")
        gallery, _ = roll_back(session, "people")
        assert gallery.space != OTHER
        cut_over(session, "people")
        delete_shadow(session, "people")
        gallery = get_collection(session, "people")
        assert gallery.space == OTHER
        open_shadow(session, "people", SPACE)
        assert cut_over(session, "people")[0].space == SPACE


def test_locking_a_gallery_that_was_cut_over_is_refused(database: Database) -> None:
    add(database, 0)
    add_shadow_template(database, 0)
    with database.read() as session:
        read_before = get_collection(session, "people")
    with database.write() as session:
        cut_over(session, "people")
    with database.write() as session, pytest.raises(SpaceMismatch):
        lock_collection(session, read_before)


def test_deleting_a_person_deletes_the_templates_of_both_spaces(database: Database) -> None:
    person, index = add(database, 0), index_sync()
    add(database, 1)
    add_shadow_template(database, 0)
    with database.write() as session:
        receipt = delete_person(session, person.person_id, WITHIN)
    assert receipt.templates == 2
    with database.read() as session:
        gallery = get_collection(session, "people")
        assert gallery.size == 1
        assert index.size(session, get_shadow(session, gallery)) == 0
        assert index.size(session, gallery) == 1


def test_a_gallery_has_at_most_one_shadow_collection(database: Database) -> None:
    add(database, 0)
    with database.write() as session:
        for swap in (cut_over, roll_back):
            with pytest.raises(ShadowNotFound):
                swap(session, "people")
        open_shadow(session, "people", OTHER)
        open_shadow(session, "people", OTHER)
        with pytest.raises(ShadowExists):
            open_shadow(session, "people", EmbeddingSpace("third", "sha256:third", 3))
        delete_shadow(session, "people")
        with pytest.raises(ShadowNotFound):
            delete_shadow(session, "people")


def test_a_downgrade_to_0005_deletes_only_the_shadow_collections(database: Database) -> None:
    add(database, 0)
    add_shadow_template(database, 0)
    downgrade(database, "0005")
    upgrade(database)
    assert find(database, index_sync(), 0, 1) == ["P0"]
    with database.read() as session:
        assert session.scalar(select(func.count(TemplateRow.row_id))) == 1


@pytest.fixture
def serve(make_client: MakeClient, tmp_path: Path) -> Callable[..., TestClient]:
    """Starts services with different models on one data folder, with one key."""
    key = new_key()

    def start(model: str) -> TestClient:
        return make_client(
            tmp_path / "data",
            face_model=model,
            default_vocabulary="",
            encryption_keys=key,
            store_photos=True,
        )

    return start


def identify(client: TestClient, photo: bytes) -> dict[str, Any]:
    """Returns the result for the only face."""
    answer = client.post("/identify", files=upload(photo))
    assert answer.status_code == 200, answer.text
    face: dict[str, Any] = answer.json()["faces"][0]
    return face


@pytest.mark.slow
def test_migration_cut_over_and_roll_back_on_the_command_line(
    serve: Callable[..., TestClient],
    tmp_path: Path,
    photos: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = serve(OLD)
    keys = services_of(old).settings.encryption_keys
    assert keys is not None
    monkeypatch.setenv("SIMA_ENCRYPTION_KEYS", keys.get_secret_value())
    barack = enroll(old, photos["obama"], "Barack")
    eileen = enroll(old, photos["astronaut"], "Eileen")
    with services_of(old).database.write() as session:  # Eileen's photo expires
        hers = select(TemplateRow.row_id).where(TemplateRow.public_id == eileen["template_id"])
        past = now() - timedelta(days=1)
        session.execute(
            update(PhotoRow).where(PhotoRow.template_row_id.in_(hers)).values(expires_at=past)
        )

    moved = json.loads(
        sima(tmp_path, "collections", "migrate", "default", "--model", NEW, "--json")
    )
    assert (moved["embedded"], moved["templates"], moved["people_missing"]) == (1, 1, 1)
    assert identify(old, photos["obama"])["decision"] == "match"
    assert old.get("/collections/default").json()["shadow"] == {"model": NEW, "missing": 1}
    status = json.loads(sima(tmp_path, "collections", "status", "default", "--json"))
    assert status["missing"] == [{"person_id": eileen["person_id"], "name": "Eileen"}]

    refused = sima(tmp_path, "collections", "cut-over", "default", status=1)
    assert refused.startswith("people_missing:")
    assert identify(old, photos["obama"])["decision"] == "match"
    sima(tmp_path, "collections", "cut-over", "default", "--without-missing")
    assert old.post("/identify", files=upload(photos["obama"])).status_code == 409

    new = serve(NEW)
    found = identify(new, photos["obama"])
    assert found["decision"] == "match"
    assert found["candidates"][0]["template_id"] == barack["template_id"]
    image = f"/persons/{barack['person_id']}/photos/{barack['template_id']}/image"
    assert new.get(image).content == photos["obama"]
    assert identify(new, photos["astronaut"])["decision"] == "unknown"
    enroll(new, photos["astronaut"], "Eileen", person_id=str(eileen["person_id"]))
    assert identify(new, photos["astronaut"])["decision"] == "match"

    sima(tmp_path, "collections", "roll-back", "default")
    assert identify(old, photos["astronaut"])["decision"] == "match"
    sima(tmp_path, "collections", "cut-over", "default")
    sima(tmp_path, "collections", "discard", "default")
    assert new.get(image).content == photos["obama"]
    assert new.get("/collections/default").json()["shadow"] is None
    gone = sima(tmp_path, "collections", "roll-back", "default", status=1)
    assert gone.startswith("shadow_not_found:")
    place = f"/persons/{barack['person_id']}/photos/{barack['template_id']}"
    assert new.delete(place).status_code == 204
    assert new.get(image).status_code == 404
