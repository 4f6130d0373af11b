"""Decodes HEIC images with pillow-heif, an optional dependency (the extra `heif`)."""

import io
from importlib.util import find_spec

import numpy as np

from app.errors import InvalidImage
from app.faces.pipeline.image_header import ImageHeader
from app.faces.pipeline.types import Image


def can_decode_heic() -> bool:
    """Whether the optional dependency is installed."""
    return find_spec("pillow_heif") is not None


def decode_heic(data: bytes, header: ImageHeader) -> Image:
    """The pixels of the primary image, turned and cropped as the file states, shape (h, w, 3).

    libheif refuses data whose size exceeds the size that the file states. Raises InvalidImage.
    """
    from pillow_heif import open_heif  # noqa: PLC0415 - an optional dependency

    try:
        opened = open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        plain = opened if opened.mode == "RGB" else opened.to_pillow().convert("RGB")
        pixels = np.array(plain, dtype=np.uint8)
    except Exception as error:  # libheif's errors have several types
        raise InvalidImage("the image is corrupt or truncated") from error
    if pixels.shape[0] * pixels.shape[1] > header.pixels:
        raise InvalidImage("the image is corrupt: it states two sizes")
    return pixels
