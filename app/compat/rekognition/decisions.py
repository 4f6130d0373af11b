"""Decides which of the found faces or users are matches, and records the decision."""

from collections.abc import Sequence
from typing import TypeVar

from app.api.audit import record_decisions
from app.audit_events import AuditEvent
from app.compat.rekognition.operations import Call
from app.compat.rekognition.scores import client_similarity
from app.faces.face_search import FaceMatch, UserMatch

Found = TypeVar("Found", FaceMatch, UserMatch)


async def matches_of(
    call: Call, collection: str, found: Sequence[Found], most: int, least: float
) -> list[Found]:
    """Those with a similarity of at least `least` among the first `most`, most similar first."""
    await record_decisions(call.request, call.ctx, [_event(collection, found)])
    scored = [(client_similarity(one.graded), one) for one in found[:most]]
    similar = [pair for pair in scored if pair[0] >= least]
    return [one for _, one in sorted(similar, key=lambda pair: -pair[0])]


def _event(collection: str, found: Sequence[FaceMatch | UserMatch]) -> AuditEvent:
    """The decision about the best one."""
    if found and found[0].graded.judgement.matches:
        return AuditEvent("identify", "match", collection, found[0].person.person_id)
    return AuditEvent("identify", "unknown", collection)
