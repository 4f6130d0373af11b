"""The tables of stored photos and crops."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.store.db.tables import Base


class ImageRow(Base):
    """An encrypted image file of a template. It is deleted with the template, or on expiry."""

    __abstract__ = True

    template_row_id: Mapped[int] = mapped_column(
        "template_id", ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True
    )
    ciphertext: Mapped[bytes] = mapped_column("sealed", LargeBinary)
    expires_at: Mapped[datetime] = mapped_column("kept_until")


class PhotoRow(ImageRow):
    """The image file that a template was made from, as it was sent."""

    __tablename__ = "photos"
    __table_args__ = (Index("ix_photos_kept_until", "kept_until"),)


class CropRow(ImageRow):
    """The aligned face that a template was made from, as a small JPEG file."""

    __tablename__ = "crops"
    __table_args__ = (Index("ix_crops_kept_until", "kept_until"),)
