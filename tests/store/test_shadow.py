"""A gallery moves to another model beside the service, and back."""

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
from app.store.db.schema import downgrade, upgrade
from app.store.db.tables import PhotoRow, TemplateRow, now
from app.store.people import delete_person, get_person, list_templates
from app.store.search import nearest_entries
from app.store.shadow import (
    KeptPhoto,
    add_twins,
    counterpart_of,
    discard_counterpart,
    exchange,
    open_counterpart,
    people_missing,
)
from app.vectors import EmbeddingSpace, l2_normalize
from tests.commands.test_cli import sima
from tests.conftest import MakeClient, enroll, services_of, upload
from tests.store.galleries import WITHIN, add, find, index_sync

OLD, NEW = "sima-face-2", "sima-face-2-int8"
OTHER = EmbeddingSpace("other", "sha256:other", 6)


def other_vector(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """A unit vector of the other space."""
    return l2_normalize(np.random.default_rng(seed).normal(size=6))


def add_twin(database: Database, seed: int) -> None:
    """The template of `P{seed}` in the other space."""
    with database.write() as session:
        counterpart = open_counterpart(session, "people", OTHER)
        row = session.scalars(select(TemplateRow).order_by(TemplateRow.row_id)).all()[seed]
        photo = KeptPhoto(row.row_id, str(row.public_id), b"")
        assert add_twins(session, counterpart, [(photo, other_vector(seed), 0.5)]) == 1
        assert add_twins(session, counterpart, [(photo, other_vector(seed), 0.5)]) == 0


def test_both_spaces_side_by_side_and_the_exchange(database: Database) -> None:
    people = [add(database, seed) for seed in range(3)]
    index = index_sync()
    add_twin(database, 0)
    add_twin(database, 1)
    assert find(database, index, 0, 1) == ["P0"]
    with database.write() as session:
        before = get_collection(session, "people")
        missing = people_missing(session, before, counterpart_of(session, before))
        assert [one.name for one in missing] == ["P2"]
        ids = [list_templates(session, person.person_id) for person in people]
        gallery, old = exchange(session, "people")
    assert (gallery.space, gallery.size) == (OTHER, 3)
    assert old.space == before.space
    with database.read() as session:
        rows = nearest_entries(session, index, gallery, other_vector(1)[None], 2)[0]
        assert [row.name for row in rows] == ["P1", "P0"]
        assert rows[0].template_id == ids[1][0].template_id
        assert [get_person(session, p.person_id).photos for p in people] == [1, 1, 0]
        assert list_templates(session, people[0].person_id)[0].template_id == ids[0][0].template_id
    with database.write() as session:
        exchange(session, "people")
    assert find(database, index, 2, 1) == ["P2"]


def test_who_enrolls_while_it_changes_over_is_told(database: Database) -> None:
    add(database, 0)
    add_twin(database, 0)
    with database.read() as session:
        read_before = get_collection(session, "people")
    with database.write() as session:
        exchange(session, "people")
    with database.write() as session, pytest.raises(SpaceMismatch):
        lock_collection(session, read_before)


def test_a_deleted_person_is_gone_from_both_spaces(database: Database) -> None:
    person, index = add(database, 0), index_sync()
    add(database, 1)
    add_twin(database, 0)
    with database.write() as session:
        receipt = delete_person(session, person.person_id, WITHIN)
    assert receipt.templates == 2
    with database.read() as session:
        gallery = get_collection(session, "people")
        assert gallery.size == 1
        assert index.size(session, counterpart_of(session, gallery)) == 0
        assert index.size(session, gallery) == 1


def test_one_counterpart_at_a_time(database: Database) -> None:
    add(database, 0)
    with database.write() as session:
        with pytest.raises(ShadowNotFound):
            exchange(session, "people")
        open_counterpart(session, "people", OTHER)
        open_counterpart(session, "people", OTHER)
        with pytest.raises(ShadowExists):
            open_counterpart(session, "people", EmbeddingSpace("third", "sha256:third", 3))
        discard_counterpart(session, "people")
        with pytest.raises(ShadowNotFound):
            discard_counterpart(session, "people")


def test_an_older_schema_forgets_counterparts_and_nothing_else(database: Database) -> None:
    add(database, 0)
    add_twin(database, 0)
    downgrade(database, "0005")
    upgrade(database)
    assert find(database, index_sync(), 0, 1) == ["P0"]
    with database.read() as session:
        assert session.scalar(select(func.count(TemplateRow.row_id))) == 1


@pytest.fixture
def serve(make_client: MakeClient, tmp_path: Path) -> Callable[..., TestClient]:
    """The service on one data folder with one key, by model."""
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
    """The answer for the only face."""
    answer = client.post("/identify", files=upload(photo))
    assert answer.status_code == 200, answer.text
    face: dict[str, Any] = answer.json()["faces"][0]
    return face


@pytest.mark.slow
def test_from_one_model_to_another_and_back(
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
    with services_of(old).database.write() as session:  # the time of Eileen's photo is over
        hers = select(TemplateRow.row_id).where(TemplateRow.public_id == eileen["template_id"])
        past = now() - timedelta(days=1)
        session.execute(
            update(PhotoRow).where(PhotoRow.template_row_id.in_(hers)).values(kept_until=past)
        )

    moved = json.loads(
        sima(tmp_path, "collections", "migrate", "default", "--model", NEW, "--json")
    )
    assert (moved["embedded"], moved["templates"], moved["people_missing"]) == (1, 1, 1)
    assert identify(old, photos["obama"])["decision"] == "match"
    assert old.get("/collections/default").json()["counterpart"] == {"model": NEW, "missing": 1}
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
    assert new.get("/collections/default").json()["counterpart"] is None
    gone = sima(tmp_path, "collections", "roll-back", "default", status=1)
    assert gone.startswith("no_counterpart:")
    place = f"/persons/{barack['person_id']}/photos/{barack['template_id']}"
    assert new.delete(place).status_code == 204
    assert new.get(image).status_code == 404
