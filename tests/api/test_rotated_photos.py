"""Photos that are lying sideways: enrolled and rejected with `rotate=auto`, on request only."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from app.crypto.keyring import new_key
from tests.commands.test_cli import sima
from tests.conftest import MakeClient, encode, enroll, services_of, upload
from tests.models import OTHER

Photos = dict[str, bytes]


def turned(photo: bytes, quarters: int = 1) -> bytes:
    """The photo turned counterclockwise by quarters, without an EXIF orientation."""
    upright = Image.open(io.BytesIO(photo)).convert("RGB")
    upright.thumbnail((900, 900))
    return encode(upright.rotate(90 * quarters, expand=True), quality=92)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_lying_sideways_is_enrolled_on_request(
    gallery: TestClient, photos: Photos, quarters: int
) -> None:
    photo = turned(photos["biden"], quarters)
    refused = gallery.post("/enroll", files=upload(photo), data={"name": "Joe"})
    assert refused.json()["code"] in ("no_face", "poor_quality")
    fields = {"name": "Joe", "rotate": "auto"}
    trial = gallery.post("/enroll", files=upload(photo), data={**fields, "dry_run": "true"})
    assert trial.status_code == 200
    person = enroll(gallery, photo, **fields)
    [face] = gallery.post("/identify", files=upload(photos["biden"])).json()["faces"]
    assert (face["decision"], face["person"]["person_id"]) == ("match", person["person_id"])
    [stored] = gallery.get(f"/persons/{person['person_id']}/photos").json()["photos"]
    [seen] = gallery.post("/identify?rotate=auto", files=upload(photo)).json()["faces"]
    assert stored["face"]["box"] == seen["face"]["box"], "in pixels of the photo as it was sent"


def test_it_is_added_to_a_person_and_in_batches(gallery: TestClient, photos: Photos) -> None:
    person = enroll(gallery, photos["obama"], "Barack")
    more = {"person_id": person["person_id"], "rotate": "auto"}
    added = gallery.post("/enroll", files=upload(turned(photos["obama3"])), data=more)
    assert added.status_code == 201, added.text
    other = gallery.post("/enroll", files=upload(turned(photos["biden"])), data=more)
    assert other.json()["code"] == "different_person"
    image = base64.b64encode(turned(photos["biden"])).decode()
    items = [{"name": "Joe", "image": image, "rotate": one} for one in ("no", "auto")]
    results = gallery.post("/enroll/batch", json={"items": items}).json()["results"]
    assert [one["status"] for one in results] == [422, 201]
    invalid = gallery.post("/enroll", files=upload(photos["obama"]), data={"rotate": "left"})
    assert invalid.json()["code"] == "validation_error"


def test_an_idempotency_key_is_for_one_orientation(gallery: TestClient, photos: Photos) -> None:
    headers, photo = {"Idempotency-Key": "sideways"}, upload(turned(photos["biden"]))
    fields = {"name": "Joe", "rotate": "auto"}
    first = gallery.post("/enroll", files=photo, data=fields, headers=headers)
    again = gallery.post("/enroll", files=photo, data=fields, headers=headers)
    assert (first.status_code, again.json()) == (201, {**first.json(), "possible_duplicate": None})
    upright = upload(photos["biden"])
    for rotate in ("no", "auto"):
        sent = {"name": "Joe", "rotate": rotate}
        refused = gallery.post("/enroll", files=upright, data=sent, headers=headers)
        assert refused.json()["code"] == "idempotency_key_reused"


def test_photos_lying_sideways_are_compared_on_request(
    gallery: TestClient, photos: Photos, tmp_path: Path
) -> None:
    sideways = turned(photos["obama3"], 3)
    pair = {"image_a": photos["obama"], "image_b": sideways}
    assert gallery.post("/verify", files=pair).json()["code"] == "no_face"
    found = gallery.post("/verify", files=pair, data={"rotate": "auto"}).json()
    assert found["decision"] == "match"
    person = enroll(gallery, photos["obama"], "Barack")
    known = {"person_id": person["person_id"], "rotate": "auto"}
    files = {"image": sideways}
    assert gallery.post("/verify", files=files, data=known).json()["decision"] == "match"
    other = {"image": turned(photos["biden"])}
    assert gallery.post("/verify", files=other, data=known).json()["decision"] == "no_match"
    encoded = {name: base64.b64encode(photo).decode() for name, photo in pair.items()}
    as_json = gallery.post("/verify", json={**encoded, "rotate": "auto"}).json()
    assert as_json["similarity"] == pytest.approx(found["similarity"], abs=1e-4)
    for name, photo in pair.items():
        (tmp_path / f"{name}.jpg").write_bytes(photo)
    compared = ("verify", str(tmp_path / "image_a.jpg"), str(tmp_path / "image_b.jpg"))
    sima(tmp_path, *compared, status=2)
    assert json.loads(sima(tmp_path, *compared, "--rotate", "--json"))["decision"] == "match"


def test_a_face_lying_sideways_is_rejected(gallery: TestClient, photos: Photos) -> None:
    person = enroll(gallery, photos["obama"], "Barack")
    path, photo = f"/persons/{person['person_id']}/not-this", upload(turned(photos["obama3"]))
    assert gallery.post(path, files=photo).json()["code"] == "no_face"
    assert gallery.post(path, files=photo, data={"rotate": "auto"}).status_code == 201
    [face] = gallery.post("/identify", files=upload(photos["obama3"])).json()["faces"]
    assert face["decision"] == "unknown"


@pytest.mark.slow
def test_on_the_command_line_and_after_a_change_of_the_model(
    tmp_path: Path, make_client: MakeClient, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"encryption_keys": new_key(), "store_photos": True, "store_crops": True}
    for name, value in settings.items():
        monkeypatch.setenv(f"SIMA_{name.upper()}", str(value))
    file = tmp_path / "sideways.jpg"
    file.write_bytes(turned(photos["biden"]))
    sima(tmp_path, "enroll", str(file), "--name", "Joe", status=1)
    person = json.loads(sima(tmp_path, "enroll", str(file), "--name", "Joe", "--rotate", "--json"))
    client = make_client(tmp_path / "data", default_vocabulary="", **settings)
    crop = client.get(f"/persons/{person['person_id']}/photos/{person['template_id']}/crop")
    pixels = np.asarray(Image.open(io.BytesIO(crop.content)).convert("RGB"))
    [upright] = client.post("/embed", files=upload(photos["biden"])).json()["faces"]
    embedded = services_of(client).embedder.embed([pixels])[0]
    assert float(embedded @ np.array(upright["embedding"])) > 0.9, "the crop is upright"
    migrate = ("collections", "migrate", "default", "--model", OTHER.name, "--json")
    assert json.loads(sima(tmp_path, *migrate))["embedded"] == 1
