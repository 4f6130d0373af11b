"""Images and fields as multipart, JSON and raw bodies; the formats and limits."""

import base64
import io
import struct
import zlib
from typing import Any

import piexif
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.conftest import MakeClient, encode, upload

Photos = dict[str, bytes]


def png_header(width: int, height: int) -> bytes:
    """The beginning of a PNG file of that size, without pixels."""
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + body
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(body)) + chunk
    return head + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT"


def test_multipart_json_and_raw_bodies_are_equivalent(client: TestClient, photos: Photos) -> None:
    photo = photos["astronaut"]
    text = base64.b64encode(photo).decode()
    raw = {"Content-Type": "image/jpeg"}
    answers = [
        client.post("/detect", files=upload(photo)),
        client.post("/detect", json={"image": text}),
        client.post("/detect", json={"image": f"data:image/jpeg;base64,{text}"}),
        client.post("/detect", content=photo, headers=raw),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.text for answer in answers}) == 1


def test_fields_are_read_from_form_json_and_query(client: TestClient, photos: Photos) -> None:
    photo = photos["pair"]
    text = base64.b64encode(photo).decode()
    raw = {"Content-Type": "image/jpeg"}
    for answer in (
        client.post("/embed", files=upload(photo), data={"faces": "all"}),
        client.post("/embed", json={"image": text, "faces": "all"}),
        client.post("/embed?faces=all", content=photo, headers=raw),
    ):
        assert len(answer.json()["faces"]) == 2


def test_embeddings_are_unit_vectors(client: TestClient, photos: Photos) -> None:
    body = client.post("/embed", files=upload(photos["astronaut"])).json()
    vector = body["faces"][0]["embedding"]
    assert sum(value * value for value in vector) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_jpeg_png_and_webp_are_accepted(client: TestClient, photos: Photos, kind: str) -> None:
    photo = encode(Image.open(io.BytesIO(photos["astronaut"])), kind)
    assert len(client.post("/detect", files=upload(photo)).json()["faces"]) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(client: TestClient, photos: Photos, orientation: int) -> None:
    """A rotated or mirrored file yields the boxes of the upright image."""
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    upright = Image.open(io.BytesIO(photos["astronaut"])).crop((0, 0, 512, 400))
    stored = upright
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    exif = piexif.dump({"0th": {piexif.ImageIFD.Orientation: orientation}})
    photo = encode(stored, quality=95, exif=exif)

    body = client.post("/detect", files=upload(photo)).json()
    assert (body["width"], body["height"]) == (512, 400)
    landmarks = body["faces"][0]["landmarks"]
    assert landmarks["left_eye"][0] < landmarks["right_eye"][0]
    expected = client.post("/detect", files=upload(encode(upright, quality=95))).json()
    for axis in "xy":
        assert body["faces"][0]["box"][axis] == pytest.approx(
            expected["faces"][0]["box"][axis], abs=6
        )


def test_an_image_without_a_face(client: TestClient, photos: Photos) -> None:
    detected = client.post("/detect", files=upload(photos["coffee"]))
    assert detected.status_code == 200
    assert detected.json()["faces"] == []
    refused = client.post("/enroll", files=upload(photos["coffee"]), data={"name": "Cup"})
    assert (refused.status_code, refused.json()["code"]) == (422, "no_face")
    identified = client.post("/identify", files=upload(photos["coffee"]))
    assert identified.status_code == 200
    assert identified.json()["faces"] == []


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_photo_is_refused(
    client: TestClient, photos: Photos, kind: str, share: float
) -> None:
    whole = encode(Image.open(io.BytesIO(photos["astronaut"])), kind)
    cut = whole[: int(len(whole) * share)]
    refused = client.post("/detect", files=upload(cut))
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_image")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_image"),
        (b"\xff\xd8\xff" + b"rubbish" * 50, 400, "invalid_image"),
        (b"GIF89a" + b"\0" * 50, 415, "unsupported_media_type"),
        (b"%PDF-1.7 not a photo", 415, "unsupported_media_type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_media_type"),
        (png_header(60_000, 60_000), 413, "image_too_large"),
        (png_header(8_000, 6_000), 413, "image_too_large"),
    ],
)
def test_invalid_files_are_refused_before_decoding(
    client: TestClient, body: bytes, status: int, code: str
) -> None:
    refused = client.post("/detect", content=body, headers={"Content-Type": "image/jpeg"})
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.headers["content-type"] == "application/problem+json"


def test_too_many_bytes_are_refused_while_they_are_received(
    make_client: MakeClient, photos: Photos
) -> None:
    small = make_client(max_image_bytes=20_000)
    refused = small.post("/detect", files=upload(photos["obama"]))
    assert (refused.status_code, refused.json()["code"]) == (413, "image_too_large")
    text = base64.b64encode(photos["obama"][:30_000]).decode()
    refused = small.post("/detect", json={"image": text})
    assert (refused.status_code, refused.json()["code"]) == (413, "image_too_large")


@pytest.mark.parametrize(
    ("request_body", "status", "code"),
    [
        (
            {"content": b"x", "headers": {"Content-Type": "text/plain"}},
            415,
            "unsupported_media_type",
        ),
        (
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            422,
            "validation_error",
        ),
        ({"json": []}, 422, "validation_error"),
        ({"json": {}}, 422, "validation_error"),
        ({"json": {"image": 7}}, 422, "validation_error"),
        ({"json": {"image": "***"}}, 400, "invalid_image"),
        ({"json": {"image": "data:image/png,plain"}}, 400, "invalid_image"),
        ({"json": {"image": "", "surprise": 1}}, 422, "validation_error"),
        ({"files": {"photo": b"x"}}, 422, "validation_error"),
        (
            {"content": b"--", "headers": {"Content-Type": "multipart/form-data"}},
            422,
            "validation_error",
        ),
    ],
)
def test_invalid_bodies_are_refused(
    client: TestClient, request_body: dict[str, Any], status: int, code: str
) -> None:
    refused = client.post("/detect", **request_body)
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
