"""Chooses the image formats that the service decodes: those that its clients send."""

from app.faces.pipeline.heic import can_decode_heic
from app.faces.pipeline.image_header import ImageFormat
from app.faces.pipeline.image_limits import DEFAULT_FORMATS, ImageLimits
from app.settings import CompatName, Settings

_FORMATS_OF_CLIENTS: dict[CompatName, tuple[ImageFormat, ...]] = {
    "compreface": ("BMP", "GIF", "TIFF"),
    "deepstack": ("BMP", "GIF", "TIFF"),
    "rekognition": (),
}
"""What clients of other APIs send besides the formats of this one. Rekognition has JPEG and PNG."""


def image_limits(settings: Settings) -> ImageLimits:
    """The limits of images, with the formats that clients send and that can be decoded."""
    optional: tuple[ImageFormat, ...] = ("HEIC",) if can_decode_heic() else ()
    sent = {kind for name in settings.compat for kind in _FORMATS_OF_CLIENTS[name]}
    return ImageLimits(
        settings.max_image_bytes,
        settings.max_image_pixels,
        settings.preview_side,
        (*DEFAULT_FORMATS, *optional, *sorted(sent)),
    )
