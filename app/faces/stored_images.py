"""Stores the photo of a template, and the crop of its face, where the operator wants them."""

from dataclasses import dataclass
from datetime import timedelta

import cv2
import numpy as np
import simplejpeg
from sqlalchemy.orm import Session

from app.faces.pipeline.types import Face, Image
from app.store.db.tables import now
from app.store.template_images import add_image
from app.store.templates import Template

CROP_SIDE = 112
"""The side of a stored crop, in pixels."""

_JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class ImageStorage:
    """How long photos and crops are stored; None: not at all."""

    photos: timedelta | None = None
    crops: timedelta | None = None

    def add(self, session: Session, template: Template, image: bytes, face: Face) -> None:
        """Stores what is wanted of the image file that a template was made from."""
        if self.photos is not None:
            add_image(session, "photo", template, image, now() + self.photos)
        if self.crops is not None:
            add_image(session, "crop", template, encode_crop(face.crop), now() + self.crops)


NO_IMAGES = ImageStorage()
"""Neither photos nor crops are stored."""


def encode_crop(crop: Image) -> bytes:
    """Returns a square crop as a JPEG file of CROP_SIDE x CROP_SIDE pixels."""
    if crop.shape[0] != CROP_SIDE:
        resized = cv2.resize(crop, (CROP_SIDE, CROP_SIDE), interpolation=cv2.INTER_AREA)
        crop = np.asarray(resized, dtype=np.uint8)
    pixels = np.ascontiguousarray(crop)
    return bytes(simplejpeg.encode_jpeg(pixels, quality=_JPEG_QUALITY, colorsubsampling="444"))
