"""HEIC, AVIF, BMP, GIF and TIFF files: pixels, orientation, and invalid files."""

import io
from typing import Any, get_args

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import ExifTags, Image
from pillow_heif import from_pillow

from app.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType
from app.faces.pipeline.decode import ImageLimits, decode
from app.faces.pipeline.image_header import ImageFormat, media_type_of
from tests.conftest import encode

ALL = ImageLimits(formats=get_args(ImageFormat))
ASTRONAUT = Image.fromarray(skimage.data.astronaut())


def heic(picture: Image.Image, orientation: int = 1, **options: object) -> bytes:
    """A HEIC file, turned by the properties irot and imir as phones write them."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    file, stream = from_pillow(picture), io.BytesIO()
    file[0].info["exif"] = exif.tobytes()
    file.save(stream, **options)
    return stream.getvalue()


def with_orientation(pixels: NDArray[Any], kind: str, orientation: int) -> bytes:
    """An image file whose stored pixels have to be turned."""
    picture = Image.fromarray(pixels)
    if kind == "HEIC":
        return heic(picture, orientation, quality=90)
    if kind == "TIFF":
        return encode(picture, kind, tiffinfo={ExifTags.Base.Orientation: orientation})
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encode(picture, kind, exif=exif, speed=10)


@pytest.mark.parametrize("kind", ["AVIF", "HEIC", "BMP", "GIF", "TIFF"])
def test_the_pixels_are_those_of_the_picture(kind: str) -> None:
    data = heic(ASTRONAUT) if kind == "HEIC" else encode(ASTRONAUT, kind)
    assert media_type_of(data) == f"image/{kind.lower()}"
    image = decode(data, ImageLimits(formats=ALL.formats, preview_side=256))
    assert (image.width, image.height, image.scale) == (512, 512, 0.5)
    assert image.preview.shape == (256, 256, 3)
    difference = image.full().astype(float) - np.asarray(ASTRONAUT)
    assert np.abs(difference).mean() < (12 if kind == "GIF" else 4)


@pytest.mark.parametrize("kind", ["AVIF", "HEIC", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
def test_preview_and_full_are_upright(kind: str, orientation: int) -> None:
    """The brightest corner of the stored image is where EXIF 2.32 puts it, at both sizes."""
    stored = np.zeros((304, 400, 3), dtype=np.uint8)
    stored[:152, :200] = 255
    data = with_orientation(stored, kind, orientation)
    image = decode(data, ImageLimits(formats=ALL.formats, preview_side=200))
    assert (image.width, image.height) == ((400, 304) if orientation < 5 else (304, 400))
    corners = [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0)]  # row, column
    for pixels in (image.full(), image.preview):
        height, width = pixels.shape[:2]
        assert (height, width) in ((image.height, image.width), (image.height // 2, width))
        quarters = pixels[:, :, 0].reshape(2, height // 2, 2, width // 2).mean(axis=(1, 3))
        assert np.unravel_index(quarters.argmax(), (2, 2)) == corners[orientation - 1]


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_tiffs_of_16_bits_are_turned_as_well(orientation: int) -> None:
    stored = np.zeros((300, 400), dtype=np.uint16)
    stored[:150, :200] = 65_535
    data = with_orientation(stored, "TIFF", orientation)
    pixels = decode(data, ALL).full()
    corner = {1: (0, 0), 3: (-1, -1), 6: (0, -1)}[orientation]
    assert pixels[corner].tolist() == [255, 255, 255]
    assert pixels.shape == ((400, 300, 3) if orientation == 6 else (300, 400, 3))


def test_the_first_frame_of_a_gif_is_used() -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"," * 600)
    pixels = decode(data, ALL).full()
    assert pixels.shape == (48, 64, 3)
    assert pixels.mean(axis=(0, 1)).tolist() == pytest.approx([255, 0, 0], abs=3)


def test_a_heic_of_tiles_with_a_thumbnail_is_decoded() -> None:
    """As phones write them."""
    data = heic(ASTRONAUT, 6, tile_size=256)
    assert b"grid" in data
    assert decode(data, ALL).full().shape == (512, 512, 3)


def test_a_bmp_may_be_stored_top_down() -> None:
    data = bytearray(encode(Image.new("RGB", (40, 30), "red"), "BMP"))
    data[22:26] = (-30).to_bytes(4, "little", signed=True)
    assert decode(bytes(data), ALL).full().shape == (30, 40, 3)


@pytest.mark.parametrize("kind", ["AVIF", "HEIC", "BMP", "GIF", "TIFF"])
def test_a_truncated_file_is_invalid(kind: str) -> None:
    data = heic(ASTRONAUT) if kind == "HEIC" else encode(ASTRONAUT, kind)
    for length in (*range(30, 400, 10), len(data) // 2):
        with pytest.raises((InvalidImage, UnsupportedMediaType)):
            decode(data[:length], ALL)


@pytest.mark.parametrize("kind", ["AVIF", "HEIC"])
def test_changed_headers_raise_own_errors(kind: str) -> None:
    data = heic(ASTRONAUT) if kind == "HEIC" else encode(ASTRONAUT, kind)
    for at in range(8, 400):
        for byte in (0, 1, 0x7F, 0xFF):
            changed = data[:at] + bytes([byte]) + data[at + 1 :]
            try:
                ALL.accept(changed)
            except (InvalidImage, ImageTooLarge, UnsupportedMediaType):
                continue


@pytest.mark.parametrize("compression", ["jpeg", "zstd"])
def test_unusual_compressions_of_a_tiff_are_refused(compression: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="compression of the TIFF"):
        decode(encode(ASTRONAUT, "TIFF", compression=compression), ALL)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_usual_compressions_of_a_tiff_are_decoded(compression: str) -> None:
    pixels = decode(encode(ASTRONAUT, "TIFF", compression=compression), ALL).full()
    assert np.array_equal(pixels, np.asarray(ASTRONAUT))


def test_an_animation_is_refused() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    data = encode(frames[0], "AVIF", save_all=True, append_images=frames[1:], speed=10)
    with pytest.raises(UnsupportedMediaType, match="animation"):
        decode(data, ALL)
