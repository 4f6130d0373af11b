"""Makes the detection that is stored with a template from a detected face."""

from app.faces.pipeline.types import Face
from app.store.detections import StoredDetection


def stored_detection(
    face: Face, image_size: tuple[int, int], source: str | None, image_id: str | None
) -> StoredDetection:
    """The detection of a face, rounded; `image_size` is (width, height) of the upright image."""
    box = face.detection.box
    a, b, c, d, e = ((round(float(x), 1), round(float(y), 1)) for x, y in face.detection.landmarks)
    return StoredDetection(
        box=(round(box.x, 1), round(box.y, 1), round(box.width, 1), round(box.height, 1)),
        landmarks=(a, b, c, d, e),
        score=round(face.detection.score, 4),
        reasons=face.quality.reasons,
        source=source,
        image_id=image_id,
        image_size=image_size,
    )
