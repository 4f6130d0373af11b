"""What the audit log records of embeddings, verifications and identifications."""

from collections.abc import Sequence

from app.audit_events import AuditEvent, Decision
from app.faces.recognition import EmbeddedFace, Identification, Verification


def embedding_events(faces: Sequence[EmbeddedFace]) -> list[AuditEvent]:
    """One event per face, or one for a photo without a face."""
    if not faces:
        return [AuditEvent("embed", "no_face")]
    return [AuditEvent("embed", "embedded") for _ in faces]


def verification_events(result: Verification) -> list[AuditEvent]:
    """One event, with the person and the gallery if there is an enrolled person."""
    decision: Decision = "match" if result.judgement.matches else "no_match"
    if result.person is None:
        return [AuditEvent("verify", decision)]
    return [AuditEvent("verify", decision, result.person.collection, result.person.person_id)]


def identification_events(result: Identification, collection: str) -> list[AuditEvent]:
    """One event per face, or one for a photo without a face; with the person of a match."""
    if not result.faces:
        return [AuditEvent("identify", "no_face", collection)]
    return [
        AuditEvent(
            "identify", face.decision, collection, face.person.person_id if face.person else None
        )
        for face in result.faces
    ]
