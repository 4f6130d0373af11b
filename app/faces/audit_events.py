"""What the audit log records of embeddings, verifications and identifications."""

from collections.abc import Sequence

from app.audit_events import AuditEvent, Decision
from app.faces.comparison import Comparison
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
    """One event per face, or one for a photo without a face; with the person of a match, or the
    visitor that an unknown face is."""
    if not result.faces:
        return [AuditEvent("identify", "no_face", collection)]
    return [
        AuditEvent(
            "identify",
            face.decision,
            collection,
            face.person.person_id if face.person else face.visitor_id,
        )
        for face in result.faces
    ]


def comparison_events(result: Comparison, collection: str | None) -> list[AuditEvent]:
    """One event per compared face, with the person whose template is the source."""
    person_id = result.person.person_id if result.person else None
    decisions: list[Decision] = [
        "match" if target.judgement.matches else "no_match" for target in result.targets
    ]
    return [AuditEvent("verify", decision, collection, person_id) for decision in decisions]
