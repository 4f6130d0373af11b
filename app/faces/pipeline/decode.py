"""Decodes JPEG, PNG and WebP images to upright RGB pixels; checks the limits before decoding.

Pillow reads headers and EXIF, rotates, and decodes PNG, WebP and unusual JPEGs (CMYK). All other
JPEGs are decoded by simplejpeg: it decodes at n/8 of the size, where Pillow's draft mode offers
only 1/2, 1/4 and 1/8, and is 1.2 to 1.6 times as fast (12 megapixels: 52 ms instead of 62).
"""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import PIL.WebPImagePlugin  # noqa: F401 - registers WebP, which Pillow.open(formats=...) does not
import simplejpeg
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as Pillow

from app.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType
from app.faces.pipeline.types import Image

_FORMATS = ("JPEG", "PNG", "WEBP")
_JPEGS = ("JPEG", "MPO")  # MPO: several JPEGs in one file, written by many phone cameras


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Largest accepted image, and the length of the preview's longer side in pixels."""

    max_bytes: int = 10_000_000
    max_pixels: int = 40_000_000
    preview_side: int = 1024


class DecodedImage:
    """An accepted image. `width` and `height` are those of the upright image, in pixels.

    `preview` is the upright image for detection, at `scale` (0 to 1) of the full size.
    """

    def __init__(self, data: bytes, header: Pillow.Image, preview_side: int) -> None:
        """`header` is the opened, not yet decoded image. Raises InvalidImage."""
        self._data, self._header = data, header
        longest = max(header.size)
        wanted = min(1.0, preview_side / longest)
        pixels = self._decode(wanted)
        # Pillow decodes a PNG up to its EXIF block, so EXIF is read after the pixels.
        self._orientation = _orientation(header)
        self._pixels = pixels if pixels.shape[:2] == header.size[::-1] else None
        self._full: Image | None = None
        self.preview = _upright(_resize(pixels, header.size, wanted), self._orientation)
        self.scale = max(self.preview.shape[:2]) / longest
        turned = self._orientation >= 5  # EXIF 2.32: 5 to 8 exchange rows and columns
        self.width, self.height = header.size[::-1] if turned else header.size

    def full(self) -> Image:
        """Returns all pixels of the upright image; decodes them on the first call."""
        if self._full is None:
            pixels = self._decode(1.0) if self._pixels is None else self._pixels
            self._full = _upright(pixels, self._orientation)
        return self._full

    def _decode(self, scale: float) -> Image:
        """Decodes to at least `scale` of the full size, not rotated."""
        if self._header.format in _JPEGS:
            pixels = _decode_jpeg(self._data, self._header.size, scale)
            if pixels is not None:
                return pixels
        return _decode_with_pillow(self._header)


def decode(data: bytes, limits: ImageLimits) -> DecodedImage:
    """Decodes a JPEG, PNG or WebP image.

    Raises ImageTooLarge (bytes or pixels), UnsupportedMediaType (another format) or InvalidImage
    (empty, corrupt, truncated).
    """
    if not data:
        raise InvalidImage("the image is empty; send a JPEG, PNG or WebP image")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"the image has {len(data)} bytes; the limit is {limits.max_bytes}")
    return DecodedImage(data, _read_header(data, limits.max_pixels), limits.preview_side)


def _read_header(data: bytes, max_pixels: int) -> Pillow.Image:
    try:
        header = Pillow.open(io.BytesIO(data), formats=_FORMATS)
    except Pillow.DecompressionBombError as error:
        raise ImageTooLarge(
            f"the image has more than {max_pixels} pixels; send a smaller image"
        ) from error
    except UnidentifiedImageError as error:
        if _has_known_signature(data):
            raise InvalidImage("the image is corrupt: its header is unreadable") from error
        raise UnsupportedMediaType(
            "the image format is not supported; send a JPEG, PNG or WebP image"
        ) from error
    except Exception as error:  # Pillow's parsers raise many types for a malformed header
        raise InvalidImage("the image is corrupt: its header is unreadable") from error
    width, height = header.size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"the image has {width} x {height} pixels; the limit is {max_pixels} pixels in total"
        )
    if width < 1 or height < 1:
        raise InvalidImage("the image has no pixels")
    return header


def _has_known_signature(data: bytes) -> bool:
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return webp or data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))


def _orientation(header: Pillow.Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 (upright) if it is absent or invalid."""
    try:
        value = header.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # an image with unreadable EXIF is still accepted
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _decode_jpeg(data: bytes, size: tuple[int, int], scale: float) -> Image | None:
    """Decodes at the smallest n/8 that reaches `scale`; None if only Pillow can decode it."""
    width, height = (int(side * scale) if scale < 1.0 else 0 for side in size)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, "RGB", fastdct=False, min_height=height, min_width=width, strict=True
        )
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise InvalidImage("the image is truncated") from error
        return None
    return np.asarray(pixels, dtype=np.uint8)


def _decode_with_pillow(header: Pillow.Image) -> Image:
    try:
        header.load()  # raises for a truncated file
        if header.mode.startswith("I"):  # 16-bit grey: convert("RGB") would clip, not scale
            grey = np.asarray(header).astype(np.uint32) >> 8
            return np.repeat(grey.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
        return np.array(header.convert("RGB"), dtype=np.uint8)
    except Exception as error:  # Pillow's decoders have no common exception class
        raise InvalidImage("the image is corrupt or truncated") from error


def _resize(pixels: Image, size: tuple[int, int], scale: float) -> Image:
    """Reduces pixels of an image of `size` to `scale` of it."""
    width, height = (max(1, round(side * scale)) for side in size)
    if pixels.shape[:2] == (height, width):
        return pixels
    resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.uint8)


def _upright(pixels: Image, orientation: int) -> Image:
    if orientation == 1:
        return pixels
    picture = Pillow.fromarray(pixels)
    picture.getexif()[ExifTags.Base.Orientation] = orientation
    return np.array(ImageOps.exif_transpose(picture), dtype=np.uint8)
