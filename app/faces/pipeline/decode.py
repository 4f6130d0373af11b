"""Decodes images to upright RGB pixels; checks the limits before decoding.

Pillow reads the EXIF orientation, decodes JPEGs with recoverable errors, GIF (OpenCV fails for
some palettes) and AVIF (with less memory than OpenCV). All other JPEGs are decoded by simplejpeg,
at 1, 1/2, 1/4 or 1/8 of the size: libjpeg-turbo vectorises these only, and takes up to twice as
long for 5/8 to 7/8 as for the whole image. PNG, WebP, BMP and TIFF are decoded by OpenCV, which
takes 3 to 10 bytes of memory per pixel where Pillow takes 10 to 18.
"""

import io
from collections.abc import Callable

import cv2
import numpy as np
import PIL.AvifImagePlugin
import PIL.GifImagePlugin
import PIL.WebPImagePlugin  # noqa: F401 - registers formats, which Pillow.open(formats=...) does not
import simplejpeg
from PIL import ExifTags
from PIL import Image as Pillow

from app.errors import InvalidImage
from app.faces.pipeline.heic import decode_heic
from app.faces.pipeline.image_header import ImageFormat, ImageHeader
from app.faces.pipeline.image_limits import ImageLimits
from app.faces.pipeline.resampling import reduced
from app.faces.pipeline.types import Image

__all__ = ["DecodedImage", "ImageLimits", "decode"]

_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF")
_TURNED_BY_DECODER = ("HEIC", "TIFF")
_WITHOUT_ORIENTATION = ("BMP", "GIF", *_TURNED_BY_DECODER)
_FAST_SCALES = (0.125, 0.25, 0.5)
_RGB_AS_STORED = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION  # 8 bits per channel


class DecodedImage:
    """An accepted image. `width` and `height` are those of the upright image, in pixels.

    `preview` is the upright image for detection, at `scale` (0 to 1) of the full size.
    """

    def __init__(self, data: bytes, header: ImageHeader, preview_side: int) -> None:
        """`header` is that of `data`, within the limits. Raises InvalidImage."""
        self._data, self._header = data, header
        self._orientation = _orientation(data, header)
        size = (header.width, header.height)
        wanted = min(1.0, preview_side / max(size))
        pixels = self._decode(wanted)
        if header.format in _TURNED_BY_DECODER:
            size = (pixels.shape[1], pixels.shape[0])
        self._longer_side = float(max(size))
        self._pixels, self._pixels_upright = pixels, False
        self.preview = _upright(_resize(pixels, size, wanted), self._orientation)
        self.scale = self._scale(self.preview)
        turned = self._orientation >= 5  # EXIF 2.32: 5 to 8 exchange rows and columns
        self.width, self.height = size[::-1] if turned else size

    def full(self) -> Image:
        """Returns all pixels of the upright image; decodes them on the first call."""
        return self.at_least(1.0)[0]

    def at_least(self, scale: float) -> tuple[Image, float]:
        """Returns the upright image at `scale` (0 to 1) of the full size or more, and its scale.

        Decodes it again only if neither the preview nor what it was reduced from has that scale.
        """
        if self.scale >= scale:
            return self.preview, self.scale
        if self._scale(self._pixels) < scale:
            self._pixels, self._pixels_upright = self._decode(scale), False
        if not self._pixels_upright:
            self._pixels, self._pixels_upright = _upright(self._pixels, self._orientation), True
        return self._pixels, self._scale(self._pixels)

    def _scale(self, pixels: Image) -> float:
        return min(1.0, float(max(pixels.shape[:2])) / self._longer_side)

    def _decode(self, scale: float) -> Image:
        """Decodes to at least `scale` of the full size, not rotated."""
        if self._header.format == "JPEG":
            pixels = _decode_jpeg(self._data, self._header, scale)
            return _decode_with_pillow(self._data, self._header) if pixels is None else pixels
        return _DECODERS.get(self._header.format, _decode_with_opencv)(self._data, self._header)


def decode(data: bytes, limits: ImageLimits) -> DecodedImage:
    """Decodes an image of one of the formats of `limits`.

    Raises ImageTooLarge (bytes, pixels, sides, scans or parts), UnsupportedMediaType (another
    format) or InvalidImage (empty, corrupt, truncated).
    """
    return DecodedImage(data, limits.accept(data), limits.preview_side)


def _open(data: bytes, header: ImageHeader) -> Pillow.Image:
    """Opens an image with Pillow, which reads its metadata and decodes nothing yet."""
    try:
        opened = Pillow.open(io.BytesIO(data), formats=_FORMATS)
    except Exception as error:  # Pillow's parsers raise many types for a malformed header
        raise InvalidImage("the image is corrupt: its header is unreadable") from error
    if opened.size != (header.width, header.height):
        raise InvalidImage("the image is corrupt: it states two sizes")
    return opened


def _orientation(data: bytes, header: ImageHeader) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 (upright) if it is absent or invalid.

    That of an AVIF is the turn that the file itself states (irot, imir), or else that of its EXIF.
    """
    if header.format in _WITHOUT_ORIENTATION:
        return 1
    opened = _open(data, header)
    if header.format == "PNG":  # without this item, Pillow decodes the image to find EXIF
        opened.info.setdefault("exif", header.exif or None)
    try:
        value = opened.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # an image with unreadable EXIF is still accepted
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _decode_jpeg(data: bytes, header: ImageHeader, scale: float) -> Image | None:
    """Decodes at the least fast scale that reaches `scale`; None if only Pillow can decode it."""
    fast = min((one for one in _FAST_SCALES if one >= scale), default=1.0)
    size = (header.width, header.height)
    width, height = (int(side * fast) if fast < 1.0 else 0 for side in size)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, "RGB", fastdct=False, min_height=height, min_width=width, strict=True
        )
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise InvalidImage("the image is truncated") from error
        return None
    return np.asarray(pixels, dtype=np.uint8)


def _decode_with_opencv(data: bytes, header: ImageHeader) -> Image:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), _RGB_AS_STORED)
    except cv2.error as error:
        raise InvalidImage("the image is corrupt or truncated") from error
    turned = header.orientation >= 5  # OpenCV turns a TIFF, whatever the flags
    size = (header.width, header.height) if turned else (header.height, header.width)
    if pixels is None or pixels.shape[:2] != size:
        raise InvalidImage("the image is corrupt or truncated")
    return np.asarray(pixels, dtype=np.uint8)


def _decode_with_pillow(data: bytes, header: ImageHeader) -> Image:
    try:
        with _open(data, header) as opened:  # raises for a truncated file
            plain = opened if opened.mode == "RGB" else opened.convert("RGB")  # which copies
            return np.array(plain, dtype=np.uint8)
    except InvalidImage:
        raise
    except Exception as error:  # Pillow's decoders have no common exception class
        raise InvalidImage("the image is corrupt or truncated") from error


_DECODERS: dict[ImageFormat, Callable[[bytes, ImageHeader], Image]] = {
    "AVIF": _decode_with_pillow,
    "GIF": _decode_with_pillow,
    "HEIC": decode_heic,
}
"""All other formats but JPEG are decoded by OpenCV."""


def _resize(pixels: Image, size: tuple[int, int], scale: float) -> Image:
    """Reduces pixels of an image of `size` (width, height) to `scale` of it."""
    width, height = (max(1, round(side * scale)) for side in size)
    if pixels.shape[:2] == (height, width):
        return pixels
    return reduced(pixels, (width, height))


def _upright(pixels: Image, orientation: int) -> Image:
    """Turns and mirrors stored pixels to the upright image (EXIF 2.32, tag Orientation)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
