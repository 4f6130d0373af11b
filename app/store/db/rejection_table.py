"""The table of rejections: faces that are known not to be a person."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.store.db.tables import Base, now


class RejectionRow(Base):
    """A face that is not the person `entry_id`, see `app.store.rejections`.

    The face is the stored template with the public id `template_id`, in whatever space it is
    compared, or else a photo that was not stored: `vector` in the space `space_id`, encrypted like
    that of a template and bound to `public_id`. The row is deleted with the person.
    """

    __tablename__ = "rejections"
    __table_args__ = (
        Index("ix_rejections_entry", "entry_id"),
        Index("ix_rejections_template", "template_id"),
        {"sqlite_autoincrement": True},
    )

    row_id: Mapped[int] = mapped_column("id", primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id", ondelete="CASCADE"))
    template_id: Mapped[str | None] = mapped_column(String(40))
    space_id: Mapped[int | None] = mapped_column(ForeignKey("embedding_spaces.id"))
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=now)
