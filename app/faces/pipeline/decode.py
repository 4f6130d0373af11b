"""DecodedImage bytes -> upright RGB pixels; refused by the header before anything is decoded."""

import io
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from PIL import Image as Pillow
from PIL import UnidentifiedImageError, WebPImagePlugin

from app.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType
from app.faces.pipeline.types import Image

_FORMATS = ("JPEG", "PNG", "WEBP")
# Pillow registers a format when its module is imported, and this one only on demand.
_REGISTERED = WebPImagePlugin.WebPImageFile
_ORIENTATION_TAG = 0x0112
_TURNS = {3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}
_MIRRORED = {2: 1, 4: 3, 5: 6, 7: 8}  # EXIF 2.32: a mirrored orientation is a turn, then a flip


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is accepted, and how long the preview's longer side is at most, in pixels."""

    max_bytes: int = 10_000_000
    max_pixels: int = 40_000_000
    preview_side: int = 1024


@dataclass(frozen=True, slots=True)
class _Header:
    format: str
    width: int
    height: int
    orientation: int


class DecodedImage:
    """An accepted photo. `width` and `height` are those of the upright image, in pixels.

    `preview` is decoded at the scale that detection needs; `full()` decodes every pixel.
    """

    def __init__(self, data: bytes, header: _Header, preview_side: int) -> None:
        self._data, self._header = data, header
        turned = header.orientation in (5, 6, 7, 8)
        self.width, self.height = (
            (header.height, header.width) if turned else (header.width, header.height)
        )
        longest = max(self.width, self.height)
        wanted = min(1.0, preview_side / longest)
        self._full: Image | None = None
        self.preview = self._decode_preview(wanted)
        self.scale = max(self.preview.shape[:2]) / longest

    def full(self) -> Image:
        """Every pixel, upright; decoded on the first call."""
        if self._full is None:
            self._full = _upright(_decode(self._data, self._header, 1.0), self._header.orientation)
        return self._full

    def _decode_preview(self, wanted: float) -> Image:
        pixels = _upright(_decode(self._data, self._header, wanted), self._header.orientation)
        size = (max(1, round(self.width * wanted)), max(1, round(self.height * wanted)))
        if pixels.shape[1] == self.width:
            self._full = pixels
        if (pixels.shape[1], pixels.shape[0]) == size:
            return pixels
        return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def decode(data: bytes, limits: ImageLimits) -> DecodedImage:
    """Accept a JPEG, PNG or WebP photo, or say why not.

    Raises ImageTooLarge (bytes or pixels), UnsupportedMediaType (another format) or InvalidImage
    (empty, corrupt, truncated).
    """
    if not data:
        raise InvalidImage("the image is empty")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"the image has {len(data)} bytes, {limits.max_bytes} are allowed")
    header = _read_header(data, limits.max_pixels)
    return DecodedImage(data, header, limits.preview_side)


def _read_header(data: bytes, max_pixels: int) -> _Header:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            picture = Pillow.open(io.BytesIO(data), formats=_FORMATS)
    except Pillow.DecompressionBombError as error:
        raise ImageTooLarge(f"the image has more than {max_pixels} pixels") from error
    except UnidentifiedImageError as error:
        if _looks_like_known_format(data):
            raise InvalidImage("the image is corrupt: its header cannot be read") from error
        raise UnsupportedMediaType("the image is neither JPEG, PNG nor WebP") from error
    except Exception as error:  # a hostile header may raise nearly anything in the parser
        raise InvalidImage("the image is corrupt: its header cannot be read") from error
    width, height = picture.size
    if width * height > max_pixels:
        raise ImageTooLarge(f"{width} x {height} pixels are more than the {max_pixels} allowed")
    if width < 1 or height < 1:
        raise InvalidImage("the image has no pixels")
    return _Header(picture.format or "", width, height, _orientation(picture))


def _looks_like_known_format(data: bytes) -> bool:
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return webp or data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))


def _orientation(picture: Pillow.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where it is absent or nonsense."""
    try:
        value = picture.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF must not cost the photo
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _decode(data: bytes, header: _Header, wanted: float) -> Image:
    if header.format in ("JPEG", "MPO"):  # MPO: the JPEG of many phone cameras
        decoded = _decode_jpeg(data, header, wanted)
        if decoded is not None:
            return decoded
    return _decode_with_pillow(data)


def _decode_jpeg(data: bytes, header: _Header, wanted: float) -> Image | None:
    """Decode at the smallest scale that still reaches `wanted`; None where only Pillow can."""
    low = (int(header.height * wanted), int(header.width * wanted)) if wanted < 1.0 else (0, 0)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, "RGB", fastdct=False, min_height=low[0], min_width=low[1], strict=True
        )
    except ValueError as error:
        if "premature end" in str(error).lower():
            raise InvalidImage("the image is truncated") from error
        return None
    return np.asarray(pixels, dtype=np.uint8)


def _decode_with_pillow(data: bytes) -> Image:
    """Everything else: PNG, WebP, CMYK JPEG. Pillow refuses a truncated file by itself."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Pillow.open(io.BytesIO(data), formats=_FORMATS)
            picture.load()
            if picture.mode.startswith("I"):  # 16-bit grey: keep the upper eight bits
                grey = (np.asarray(picture).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
                return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
            return np.array(picture.convert("RGB"), dtype=np.uint8)
    except Exception as error:  # Pillow's decoders share no exception class
        raise InvalidImage("the image is corrupt or truncated") from error


def _upright(pixels: Image, orientation: int) -> Image:
    turn = _TURNS.get(_MIRRORED.get(orientation, orientation))
    if turn is not None:
        pixels = np.asarray(cv2.rotate(pixels, turn), dtype=np.uint8)
    if orientation in _MIRRORED:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    return pixels
