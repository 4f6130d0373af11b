"""Operations on images that use no collection: detect and compare faces."""

from app.api.audit import record_decisions
from app.audit_events import AuditEvent
from app.compat.rekognition.answers import (
    Answer,
    ComparedFaces,
    DetectedFaces,
    FaceDetail,
    SearchedFace,
    compared_face,
)
from app.compat.rekognition.failures import invalid
from app.compat.rekognition.operations import Call
from app.compat.rekognition.requests import CompareFaces, DetectFaces
from app.errors import NoFace


async def detect_faces(call: Call, body: DetectFaces) -> Answer:
    """Detects the faces of an image; none is not an error."""
    pipeline = call.ctx.services.pipeline
    analysis = await call.ctx.run(lambda: pipeline.analyze(body.image.content(), call.timings))
    size = analysis.width, analysis.height
    return DetectedFaces(face_details=[FaceDetail.of(face, size) for face in analysis.faces])


async def compare_faces(call: Call, body: CompareFaces) -> Answer:
    """Compares the largest face of the source image with every face of the target image."""
    searcher, source, target = call.ctx.services.face_searcher, body.source_image, body.target_image
    try:
        found = await call.ctx.run(
            lambda: searcher.compare(source.content(), target.content(), call.timings)
        )
    except NoFace as error:
        raise invalid(str(error)) from error
    events = [
        AuditEvent("verify", "match" if one.graded.judgement.matches else "no_match")
        for one in found.targets
    ]
    await record_decisions(call.request, call.ctx, events)
    compared = [compared_face(one, found.target_size) for one in found.targets]
    least = body.similarity_threshold
    matches = [one for one in compared if one.similarity >= least]
    return ComparedFaces(
        source_image_face=SearchedFace.of(found.source, found.source_size),
        face_matches=sorted(matches, key=lambda one: -one.similarity),
        unmatched_faces=[one.face for one in compared if one.similarity < least],
    )
