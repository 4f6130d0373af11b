"""The table of detections. Its rows are read only where templates are listed."""

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from app.store.db.tables import Base


class DetectionRow(Base):
    """The face that a template was made from; templates of earlier versions have none.

    `content` is JSON in UTF-8, encrypted if there are keys, see `app.store.detections`. The row is
    deleted with the template.
    """

    __tablename__ = "detections"

    template_row_id: Mapped[int] = mapped_column(
        "template_id", ForeignKey("templates.id", ondelete="CASCADE"), primary_key=True
    )
    content: Mapped[bytes] = mapped_column(LargeBinary)
