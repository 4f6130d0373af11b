"""Decoding: reduced previews, pixel formats, unreadable EXIF, orientation."""

import io

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
