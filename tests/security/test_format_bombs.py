"""Small HEIC, AVIF, BMP, GIF and TIFF files that claim huge sizes, or contradict themselves."""

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from tests.conftest import MakeClient, upload
from tests.security import more_images as images
from tests.security.usage import measured

MEGABYTE = 1_000_000
FORMATS = ["AVIF", "HEIC", "BMP", "GIF", "TIFF"]


def detect(client: TestClient, image: bytes) -> Response:
    return client.post("/detect", files=upload(image))


@pytest.fixture(scope="module")
def client(make_client: MakeClient) -> TestClient:
    """A service whose clients send every format; its first requests allocate what others reuse."""
    client = make_client(compat=("compreface",))
    for kind in FORMATS:
        assert detect(client, images.flat(kind, 1024)).status_code == 200
    return client


@pytest.mark.parametrize("kind", ["HEIC", "BMP", "GIF", "TIFF"])
@pytest.mark.parametrize("size", [(16_383, 16_383), (30_000, 400)])
def test_a_small_file_cannot_claim_more_pixels_than_allowed(
    client: TestClient, kind: str, size: tuple[int, int]
) -> None:
    image = images.claiming(images.flat(kind, 64), *size)
    with measured() as usage:
        refused = detect(client, image)
    assert (refused.status_code, refused.json()["code"]) == (413, "image_too_large")
    assert f"{size[0]} x {size[1]} pixels" in refused.json()["detail"]
    assert usage.seconds < 0.5
    assert usage.memory < 20 * MEGABYTE


def test_a_small_avif_cannot_claim_other_pixels_than_it_has(client: TestClient) -> None:
    image = images.claiming(images.flat("AVIF", 64), 6_000, 6_000)
    with measured() as usage:
        refused = detect(client, image)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_image")
    assert usage.memory < 20 * MEGABYTE


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_pixels_beyond_the_claimed_size_are_not_decoded(client: TestClient, kind: str) -> None:
    image = images.claiming(images.flat(kind, 4_000), 64, 64)
    with measured() as usage:
        refused = detect(client, image)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_image")
    assert usage.seconds < 0.5
    assert usage.memory < 10 * MEGABYTE  # decoded, the AVIF takes 24 MB, the HEIC more


@pytest.mark.parametrize("kind", FORMATS)
def test_the_memory_of_an_image_is_that_which_the_budget_reserves(
    client: TestClient, kind: str
) -> None:
    image = images.flat(kind, 4_000)
    with measured() as usage:
        assert detect(client, image).status_code == 200
    reserved = {"AVIF": 20, "HEIC": 20, "BMP": 7, "GIF": 13, "TIFF": 13}[kind]
    assert usage.memory < reserved * 4_000**2


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(images.gif_with_blocks(1_000_000), id="blocks of a GIF"),
        pytest.param(images.tiff_with_tile(20_000), id="tile of a TIFF"),
        pytest.param(images.grid_of_one_tile(60_000), id="tiles of a HEIC"),
    ],
)
def test_a_small_file_cannot_ask_for_much_work(client: TestClient, image: bytes) -> None:
    with measured() as usage:
        refused = detect(client, image)
    assert (refused.status_code, refused.json()["code"]) == (413, "image_too_large")
    assert usage.seconds < 0.5
    assert usage.memory < 20 * MEGABYTE


def test_a_service_has_only_the_decoders_that_its_clients_need(make_client: MakeClient) -> None:
    client = make_client()
    for kind in ("BMP", "GIF", "TIFF"):
        refused = detect(client, images.flat(kind, 64))
        assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")
        assert refused.json()["detail"] == (
            "the image format is not supported; send a JPEG, PNG, WebP, AVIF or HEIC image"
        )
