"""Decoding: reduced previews, pixel formats, unreadable EXIF, orientation."""

import io

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import ExifTags, Image

from app.errors import InvalidImage
from app.faces.pipeline.decode import ImageLimits, decode
from tests.conftest import encode


def test_the_preview_is_reduced_and_full_is_not() -> None:
    source = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((2048, 1536)))
    image = decode(encode(source, quality=90), ImageLimits(preview_side=512))
    assert (image.width, image.height) == (2048, 1536)
    assert image.preview.shape == (384, 512, 3)
    assert image.scale == pytest.approx(0.25)
    assert image.full().shape == (1536, 2048, 3)


@pytest.mark.parametrize("side", [1030, 1500, 2100, 4300])
def test_the_preview_is_the_reduced_image(side: int) -> None:
    """At every scale of the JPEG decoder: compared with area averaging of all pixels.

    They differ less than after a shift by half a pixel of the preview; a JPEG decoder that reduces
    an image to a quarter alone makes nearly half of that difference.
    """
    source = np.tile(skimage.data.astronaut(), (6, 9, 1))[: side * 2 // 3, :side]
    image = decode(encode(source, quality=95), ImageLimits())
    assert max(image.preview.shape[:2]) == 1024
    size = image.preview.shape[1::-1]
    wanted = cv2.resize(image.full(), size, interpolation=cv2.INTER_AREA).astype(float)
    half = max(1, round(0.5 / image.scale))
    moved = cv2.resize(np.roll(image.full(), half, axis=1), size, interpolation=cv2.INTER_AREA)
    assert np.abs(image.preview - wanted).mean() < np.abs(moved - wanted).mean()


def test_more_pixels_than_the_preview_has_are_returned_on_demand() -> None:
    """A quarter of the size is enough for the preview; half and the whole are decoded later."""
    source = Image.fromarray(skimage.data.astronaut()).resize((1600, 1200))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image = decode(encode(source, quality=95, exif=exif), ImageLimits(preview_side=400))
    whole = np.rot90(np.asarray(source), -1)
    for wanted, expected in ((0.2, 0.25), (0.3, 0.5), (0.5, 0.5), (0.6, 1.0), (0.3, 1.0)):
        pixels, scale = image.at_least(wanted)
        assert scale == pytest.approx(expected)
        assert pixels.shape == (round(1600 * scale), round(1200 * scale), 3)
        reference = cv2.resize(whole, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(pixels.astype(float) - reference).mean() < 2.0


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16", "CMYK"])
def test_every_pixel_format_becomes_rgb(mode: str) -> None:
    source = Image.fromarray(skimage.data.astronaut())
    if mode == "I;16":
        grey = np.asarray(source.convert("L")).astype(np.uint16) * 257
        data = encode(Image.fromarray(grey), "PNG")
    else:
        data = encode(source.convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    pixels = decode(data, ImageLimits()).full()
    assert pixels.shape == (512, 512, 3)
    assert pixels.dtype == np.uint8
    expected = np.asarray(source.convert("L")).mean()
    assert pixels.mean() == pytest.approx(expected, abs=12)


def test_unreadable_exif_is_ignored() -> None:
    stream = io.BytesIO()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05rubbish that is no directory"
    Image.fromarray(skimage.data.astronaut()).save(stream, "JPEG", exif=exif)
    assert decode(stream.getvalue(), ImageLimits()).width == 512


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_preview_and_full_are_upright(kind: str, orientation: int) -> None:
    """The brightest corner of the stored image is where EXIF 2.32 puts it, at both sizes."""
    stored = np.zeros((300, 400, 3), dtype=np.uint8)
    stored[:150, :200] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stream = io.BytesIO()
    Image.fromarray(stored).save(stream, kind, exif=exif)
    image = decode(stream.getvalue(), ImageLimits(preview_side=200))
    assert (image.width, image.height) == ((400, 300) if orientation < 5 else (300, 400))
    assert image.full().shape == (image.height, image.width, 3)
    assert image.preview.shape == (image.height // 2, image.width // 2, 3)
    corners = [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0)]  # row, column
    for pixels in (image.full(), image.preview):
        height, width = pixels.shape[:2]
        quarters = pixels[:, :, 0].reshape(2, height // 2, 2, width // 2).mean(axis=(1, 3))
        assert np.unravel_index(quarters.argmax(), (2, 2)) == corners[orientation - 1]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_image_is_refused(kind: str) -> None:
    data = encode(skimage.data.astronaut(), kind)
    for length in (len(data) - 200, len(data) // 2):
        with pytest.raises(InvalidImage):
            decode(data[:length], ImageLimits())
