"""Small image files that claim huge sizes or many scans: refused, or decoded at a bounded cost."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from PIL import Image

from tests.conftest import MakeClient, encode, upload
from tests.security import images
from tests.security.usage import measured

MEGABYTE = 1_000_000
LARGEST = 6_320  # side of a square image of just below 40 megapixels


def detect(client: TestClient, image: bytes) -> Response:
    return client.post("/detect", files=upload(image))


@pytest.fixture(scope="module", autouse=True)
def warm(client: TestClient) -> None:
    """The first request allocates what later ones reuse."""
    for kind in ("JPEG", "PNG", "WEBP"):
        assert detect(client, encode(Image.new("RGB", (1024, 1024)), kind)).status_code == 200


@pytest.mark.parametrize("scans", [1_000, 400])
def test_a_progressive_jpeg_with_many_scans_is_refused(client: TestClient, scans: int) -> None:
    image = images.many_scans(LARGEST, scans)
    assert len(image) < MEGABYTE
    with measured() as usage:
        refused = detect(client, image)
    assert (refused.status_code, refused.json()["code"]) == (413, "image_too_large")
    assert refused.json()["detail"] == (
        f"the JPEG has {scans} scans; the limit is 20 for its size; save it again, for example as "
        "a baseline JPEG"
    )
    assert usage.seconds < 0.5


def test_a_small_jpeg_has_a_limit_of_scans_too(client: TestClient) -> None:
    assert detect(client, images.many_scans(64, 100)).status_code == 200
    assert detect(client, images.many_scans(64, 101)).status_code == 413


def test_the_most_expensive_accepted_jpeg_takes_seconds(client: TestClient) -> None:
    image = images.many_scans(LARGEST, 20)
    with measured() as usage:
        assert detect(client, image).status_code == 200
    assert usage.seconds < 6.0  # 1.5 to 3 measured


@pytest.mark.parametrize("size", [(1, 40_000_000), (33_000, 1_000), (100, 3_300)])
def test_an_image_with_an_extreme_side_is_refused(
    client: TestClient, size: tuple[int, int]
) -> None:
    image = images.png_of(*size)
    with measured() as usage:
        refused = detect(client, image)
    assert (refused.status_code, refused.json()["code"]) == (413, "image_too_large")
    assert f"{size[0]} x {size[1]} pixels" in refused.json()["detail"]
    assert usage.seconds < 0.5
    assert usage.memory < 20 * MEGABYTE


def test_a_tiny_webp_cannot_claim_more_pixels_than_allowed(client: TestClient) -> None:
    image = images.webp_of(16_383)
    assert len(image) < 100
    with measured() as usage:
        assert detect(client, image).status_code == 413
    assert usage.memory < 20 * MEGABYTE


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_the_largest_images_take_a_few_bytes_of_memory_per_pixel(
    client: TestClient, kind: str
) -> None:
    image = images.webp_of(LARGEST) if kind == "WEBP" else images.png_of(LARGEST, LARGEST)
    with measured() as usage:
        assert detect(client, image).status_code == 200
    assert usage.memory < 8 * LARGEST**2


def test_images_that_arrive_at_once_share_the_memory(make_client: MakeClient) -> None:
    client = make_client(concurrency=20, max_decoded_bytes=120 * MEGABYTE)
    image = images.webp_of(4_000)  # 112 MB decoded
    detect(client, image)
    with measured() as usage, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: detect(client, image), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert usage.memory < 700 * MEGABYTE  # 250 measured; 2,000 without the budget


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(images.png_with_chunks(500_000), id="chunks of a PNG"),
        pytest.param(images.jpeg_with_segments(2_000_000), id="segments of a JPEG"),
    ],
)
def test_millions_of_empty_parts_are_refused(client: TestClient, image: bytes) -> None:
    with measured() as usage:
        assert detect(client, image).status_code == 413
    assert usage.seconds < 0.5


@pytest.mark.parametrize("marker", [0xC3, 0xC9, 0xCA])
def test_jpegs_that_no_camera_writes_are_not_supported(client: TestClient, marker: int) -> None:
    """Lossless and arithmetic-coded ones."""
    assert detect(client, images.jpeg_with_frame(marker)).status_code == 415


def test_ordinary_photos_are_within_the_limits(client: TestClient) -> None:
    twelve_megapixels = Image.new("RGB", (4_032, 3_024), "grey")
    panorama = Image.new("RGB", (16_000, 1_000), "grey")
    for image in (
        encode(twelve_megapixels, progressive=True),
        encode(panorama),
        encode(panorama, "PNG"),
        encode(panorama, "WEBP", method=0),
    ):
        assert detect(client, image).status_code == 200
