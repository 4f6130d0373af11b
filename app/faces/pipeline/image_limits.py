"""The accepted images: formats, and the largest in bytes, pixels, side lengths and scans."""

from dataclasses import dataclass

from app.errors import ImageTooLarge, InvalidImage, UnsupportedMediaType
from app.faces.pipeline.image_header import ImageFormat, ImageHeader, format_of, read_header

DEFAULT_FORMATS: tuple[ImageFormat, ...] = ("JPEG", "PNG", "WEBP", "AVIF")
_NAMES: dict[ImageFormat, str] = {"WEBP": "WebP"}

_MAX_SIDE = 32_768
"""Pixels. The widest panoramas of phones have about 16,000."""
_MAX_ASPECT = 32
"""Longer side by shorter side; panoramas have up to 12. Decoders are slow with very short rows."""
_MAX_SCANS = 100
_MAX_SCANS_OF_LARGEST = 20
"""Encoders write 6 to 12 scans. A scan takes about 1 ns per pixel, even if it is empty."""


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Largest accepted image, the length of the preview's longer side in pixels, and formats."""

    max_bytes: int = 10_000_000
    max_pixels: int = 40_000_000
    preview_side: int = 1024
    formats: tuple[ImageFormat, ...] = DEFAULT_FORMATS

    def accept(self, data: bytes) -> ImageHeader:
        """Returns the header of an image file that is within the limits; decodes nothing.

        Raises ImageTooLarge, UnsupportedMediaType for another format, and InvalidImage for an
        empty file or a header that cannot be read.
        """
        if not data:
            raise InvalidImage(f"the image is empty; send a {self._names()} image")
        if len(data) > self.max_bytes:
            raise ImageTooLarge(f"the image has {len(data)} bytes; the limit is {self.max_bytes}")
        header = read_header(data, self._format(data))
        self._require_size(header)
        self._require_scans(header)
        return header

    def _format(self, data: bytes) -> ImageFormat:
        found = format_of(data)
        if found in self.formats:
            return found
        if found == "HEIC":
            raise UnsupportedMediaType(
                "this service cannot decode HEIC: its optional dependency is missing; install "
                f"sima[heif], or send a {self._names()} image"
            )
        raise UnsupportedMediaType(
            f"the image format is not supported; send a {self._names()} image"
        )

    def _names(self) -> str:
        names = [_NAMES.get(one, one) for one in self.formats]
        return f"{', '.join(names[:-1])} or {names[-1]}"

    def _require_size(self, header: ImageHeader) -> None:
        size = f"{header.width} x {header.height} pixels"
        if header.pixels > self.max_pixels:
            raise ImageTooLarge(
                f"the image has {size}; the limit is {self.max_pixels} pixels in total"
            )
        longer, shorter = max(header.width, header.height), min(header.width, header.height)
        if longer > _MAX_SIDE:
            raise ImageTooLarge(f"the image has {size}; the limit of a side is {_MAX_SIDE} pixels")
        if longer > _MAX_ASPECT * shorter:
            raise ImageTooLarge(
                f"the image has {size}; the longer side may have at most {_MAX_ASPECT} times the "
                "length of the shorter; crop it"
            )

    def _require_scans(self, header: ImageHeader) -> None:
        """Limits scans x pixels to that of the largest image with `_MAX_SCANS_OF_LARGEST`."""
        allowed = min(_MAX_SCANS, _MAX_SCANS_OF_LARGEST * self.max_pixels // header.pixels)
        if header.scans > allowed:
            raise ImageTooLarge(
                f"the JPEG has {header.scans} scans; the limit is {allowed} for its size; save it "
                "again, for example as a baseline JPEG"
            )
