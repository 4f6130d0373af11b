"""Headers of JPEG, PNG and WebP files: sizes, scans, EXIF blocks, and malformed ones."""

import io

import pytest
from PIL import ExifTags, Image

from app.errors import ImageTooLarge, InvalidImage, SimaError
from app.faces.pipeline.decode import decode
from app.faces.pipeline.image_header import ImageHeader, format_of, read_header
from app.faces.pipeline.image_limits import ImageLimits
from tests.conftest import encode

PICTURE = Image.effect_noise((300, 200), 60)
FILES = {
    "jpeg": encode(PICTURE.convert("RGB")),
    "grey jpeg": encode(PICTURE),
    "progressive jpeg": encode(PICTURE.convert("RGB"), progressive=True),
    "cmyk jpeg": encode(PICTURE.convert("CMYK")),
    "png": encode(PICTURE, "PNG"),
    "lossy webp": encode(PICTURE.convert("RGB"), "WEBP"),
    "lossless webp": encode(PICTURE.convert("RGB"), "WEBP", lossless=True),
    "avif": encode(PICTURE.convert("RGB"), "AVIF", speed=10),
    "avif with transparency": encode(PICTURE.convert("RGBA"), "AVIF", speed=10),
    "webp with transparency": encode(PICTURE.convert("RGBA"), "WEBP", exif=b"Exif\0\0MM\0*"),
}


def header_of(data: bytes) -> ImageHeader:
    """The header of a file of any format."""
    kind = format_of(data)
    assert kind is not None
    return read_header(data, kind)


@pytest.mark.parametrize("name", FILES)
def test_the_header_states_the_size(name: str) -> None:
    header = header_of(FILES[name])
    assert (header.width, header.height) == (300, 200)
    assert header.components == (1 if name == "grey jpeg" else 4 if "cmyk" in name else 3)


def test_the_scans_of_a_jpeg_are_counted() -> None:
    assert header_of(FILES["jpeg"]).scans == 1
    assert header_of(FILES["progressive jpeg"]).scans == 10  # libjpeg's default script


def test_scans_in_a_thumbnail_do_not_count() -> None:
    thumbnail = FILES["progressive jpeg"]
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0" + thumbnail
    assert header_of(encode(PICTURE, exif=exif)).scans == 1


def test_a_second_jpeg_in_the_file_does_not_count() -> None:
    """Phone cameras append a picture of higher dynamic range, for example."""
    header = header_of(FILES["progressive jpeg"] + FILES["progressive jpeg"])
    assert header.scans == 10


def test_exif_after_the_pixels_of_a_png_turns_it() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned = encode(PICTURE, "PNG", exif=exif)
    start = turned.index(b"eXIf") - 4
    length = int.from_bytes(turned[start : start + 4]) + 12
    block, rest = turned[start : start + length], turned[:start] + turned[start + length :]
    late = rest[:-12] + block + rest[-12:]
    assert header_of(late).exif
    image = decode(late, ImageLimits())
    assert (image.width, image.height) == (200, 300)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_header_is_an_error_in_own_words(name: str) -> None:
    for length in range(len(FILES[name]) // 2):
        with pytest.raises(SimaError):
            decode(FILES[name][:length], ImageLimits())


def test_a_jpeg_with_two_frames_is_corrupt() -> None:
    whole = FILES["jpeg"]
    start = whole.index(b"\xff\xc0")
    frame = whole[start : start + 2 + int.from_bytes(whole[start + 2 : start + 4])]
    with pytest.raises(InvalidImage, match="two frame headers"):
        header_of(whole[:start] + frame + whole[start:])
    with pytest.raises(InvalidImage, match="no frame header"):
        header_of(whole[:start] + whole[start + len(frame) :])


def test_the_limit_of_scans_follows_the_largest_allowed_image() -> None:
    image = FILES["progressive jpeg"]
    assert ImageLimits(max_pixels=60_000).accept(image).scans == 10
    stream = io.BytesIO()
    Image.new("L", (2_000, 100)).save(stream, "PNG")
    assert ImageLimits().accept(stream.getvalue()).width == 2_000
    with pytest.raises(ImageTooLarge, match="3300 x 100 pixels"):
        ImageLimits().accept(encode(Image.new("L", (3_300, 100)), "PNG"))
