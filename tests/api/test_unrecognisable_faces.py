"""Drawings and negatives are no templates: enrollment refuses them."""

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from tests.conftest import encode, enroll, upload
from training.faces.drawings import drawing

Photos = dict[str, bytes]
Pixels = NDArray[np.uint8]

DRAWINGS = 12


def _reasons(client: TestClient, image: Pixels) -> list[str]:
    """Codes of the reasons for which the image is refused; empty if it is enrolled."""
    data = {"name": "Nobody", "on_duplicate": "allow"}
    answer = client.post("/enroll", files=upload(encode(image)), data=data)
    if answer.status_code == 201:
        return []
    body = answer.json()
    assert answer.status_code == 422, body
    return [reason["code"] for reason in body.get("reasons", [])] or [body["code"]]


@pytest.mark.parametrize("style", ["emoji", "line", "flat", "comic"])
def test_drawn_faces_are_not_enrolled(gallery: TestClient, style: str) -> None:
    images = [drawing(style, np.random.default_rng((7, n))).image for n in range(DRAWINGS)]
    found = [_reasons(gallery, cv2.resize(image, (480, 480))) for image in images]
    assert all(found), f"{found.count([])} of {DRAWINGS} drawings were enrolled"


def test_a_negative_is_not_enrolled(gallery: TestClient, photos: Photos) -> None:
    assert "low_quality_score" in _reasons(gallery, 255 - _pixels(photos["obama"]))


def test_covered_eyes_lower_the_quality_score(gallery: TestClient, photos: Photos) -> None:
    """They are not a reason of their own: many faces are recognised without their eyes."""
    image = _pixels(photos["obama"])
    [face] = gallery.post("/detect", files=upload(photos["obama"])).json()["faces"]
    (left, top), (right, bottom) = (face["landmarks"][eye] for eye in ("left_eye", "right_eye"))
    half, margin = 0.35 * (right - left), 0.5 * (right - left)
    rows = slice(int(min(top, bottom) - half), int(max(top, bottom) + half))
    image[rows, int(left - margin) : int(right + margin)] = 20
    [covered] = gallery.post("/detect", files=upload(encode(image))).json()["faces"]
    assert covered["quality"]["score"] < face["quality"]["score"] - 0.2


def test_photos_are_still_enrolled(gallery: TestClient, photos: Photos) -> None:
    for name in ("obama", "biden"):
        enroll(gallery, photos[name], name)


def _pixels(photo: bytes) -> Pixels:
    decoded = cv2.imdecode(np.frombuffer(photo, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(decoded, dtype=np.uint8).copy()
