"""Photos: stored only on request and for a limited time."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text, update

from app.crypto.keyring import new_key
from app.store.db.image_tables import PhotoRow
from app.store.db.tables import now
from tests.conftest import MakeClient, enroll, services_of
from tests.store.data_folder import (
    run_housekeeping,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder."""
    return tmp_path / "data"


def test_an_expired_photo_is_not_returned_and_then_deleted(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    client = make_client(
        folder, encryption_keys=new_key(), store_photos=True, default_vocabulary=""
    )
    body = enroll(client, photos["obama"], "Barack")
    url = f"/persons/{body['person_id']}/photos/{body['template_id']}/image"
    stored = client.get(url)
    assert stored.content == photos["obama"]
    assert stored.headers["content-type"] == "image/jpeg"
    database = services_of(client).database
    with database.write() as session:
        session.execute(update(PhotoRow).values(expires_at=now() - timedelta(seconds=1)))
    assert client.get(url).json()["code"] == "photo_not_found", "before housekeeping"
    run_housekeeping(client)
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM photos")) == 0
    assert client.get(f"/persons/{body['person_id']}").status_code == 200, "the template is kept"


def test_photos_are_not_stored_by_default(
    make_client: MakeClient, folder: Path, photos: dict[str, bytes]
) -> None:
    client = make_client(folder, encryption_keys=new_key(), default_vocabulary="")
    body = enroll(client, photos["obama"], "Barack")
    url = f"/persons/{body['person_id']}/photos/{body['template_id']}/image"
    assert client.get(url).json()["code"] == "photo_not_found"
