"""Detections of templates. Every function works inside the caller's session."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from app.errors import PoorReason
from app.store.db.detection_table import DetectionRow
from app.store.db.encryption import decrypt_detection, encrypt_detection
from app.store.db.statements import fetch_in_blocks
from app.store.templates import Template

Point = tuple[float, float]

_OF_TEMPLATES = select(DetectionRow.template_row_id, DetectionRow.content).where(
    DetectionRow.template_row_id.in_(bindparam("row_ids", expanding=True))
)


@dataclass(frozen=True, slots=True)
class StoredDetection:
    """The face that a template was made from, in pixels of its upright image.

    `box` is x, y, width and height. `landmarks` are the eyes, the nose and the corners of the
    mouth, left before right. `score` is that of the detector, 0 to 1; `reasons` are the quality
    checks that the face failed. `source` and `image_id` are texts of the client. `image_size` is
    the width and height of the image, None for templates of earlier versions.
    """

    box: tuple[float, float, float, float]
    landmarks: tuple[Point, Point, Point, Point, Point]
    score: float
    reasons: tuple[PoorReason, ...] = ()
    source: str | None = None
    image_id: str | None = None
    image_size: tuple[int, int] | None = None


def add_detection(session: Session, template: Template, detection: StoredDetection) -> None:
    """Stores the detection of a template."""
    add_detections(session, [(template.row_id, template.template_id, detection)])


def add_detections(
    session: Session, detections: Sequence[tuple[int, str, StoredDetection]]
) -> None:
    """Stores detections, each with the row_id and the template_id of its template."""
    rows = [
        {"template_row_id": row_id, "content": _encrypted(session, template_id, detection)}
        for row_id, template_id, detection in detections
    ]
    if rows:
        session.execute(insert(DetectionRow), rows)


def read_detections(session: Session, templates: Sequence[Template]) -> dict[str, StoredDetection]:
    """The detections by template id; templates without one are absent. Raises DecryptionFailed."""
    return read_by_row_ids(session, {one.row_id: one.template_id for one in templates})


def read_by_row_ids(session: Session, ids: Mapping[int, str]) -> dict[str, StoredDetection]:
    """Like `read_detections`, of the template ids by row_id."""
    found = {}
    for row_id, content in fetch_in_blocks(session, _OF_TEMPLATES, "row_ids", list(ids)):
        template_id = ids[row_id]
        stored = json.loads(decrypt_detection(session, template_id, content))
        found[template_id] = parse_detection(stored)
    return found


def copy_detection(session: Session, template_row_id: int, copy_row_id: int) -> None:
    """Stores the detection of a template for the template of the same photo in another space.

    Clients use one id for both templates, which the encryption is bound to.
    """
    row = session.get(DetectionRow, template_row_id)
    if row is not None:
        session.add(DetectionRow(template_row_id=copy_row_id, content=row.content))


def parse_detection(fields: dict[str, Any]) -> StoredDetection:
    """The detection of fields as `asdict` makes them, read from JSON.

    Raises KeyError, TypeError or ValueError for other fields.
    """
    x, y, width, height = fields["box"]
    a, b, c, d, e = ((float(x), float(y)) for x, y in fields["landmarks"])
    return StoredDetection(
        box=(x, y, width, height),
        landmarks=(a, b, c, d, e),
        score=fields["score"],
        reasons=tuple(PoorReason(**reason) for reason in fields["reasons"]),
        source=fields["source"],
        image_id=fields["image_id"],
        image_size=_size(fields.get("image_size")),
    )


def _encrypted(session: Session, template_id: str, detection: StoredDetection) -> bytes:
    return encrypt_detection(session, template_id, json.dumps(asdict(detection)).encode())


def _size(stored: Sequence[int] | None) -> tuple[int, int] | None:
    if stored is None:
        return None
    width, height = stored
    return width, height
