"""What the audit log records: an event, and who caused it."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

Action = Literal[
    "enroll",
    "verify",
    "identify",
    "embed",
    "person.change",
    "person.delete",
    "person.merge",
    "photo.read",
    "crop.read",
    "photo.delete",
    "photo.move",
    "visitor.promote",
    "visitor.delete",
    "rejection.create",
    "rejection.delete",
    "collection.create",
    "collection.change",
    "collection.calibrate",
    "collection.delete",
    "collection.export",
    "collection.import",
    "collection.migrate",
    "collection.cut_over",
    "collection.roll_back",
    "collection.discard",
    "vocabulary.create",
    "vocabulary.delete",
    "vocabulary.export",
    "word.change",
    "word.delete",
    "projection.create",
    "projection.delete",
    "backup.create",
    "keys.rotate",
    "api_key.create",
    "api_key.rotate",
    "api_key.revoke",
    "audit.export",
    "audit.read",
    "audit.prune",
]

Decision = Literal[
    "enrolled",
    "replayed",
    "dry_run",
    "already_enrolled",
    "different_person",
    "match",
    "no_match",
    "unknown",
    "ambiguous",
    "no_face",
    "embedded",
    "read",
    "created",
    "changed",
    "deleted",
    "moved",
    "merged",
    "exported",
    "imported",
    "pruned",
]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One recorded act. It has no field for a name, a photo, an embedding or metadata.

    `collection` is a gallery or vocabulary that exists; `person_id` is the opaque id.
    `target_key_id` is the id of the API key that was created, rotated or revoked.
    """

    action: Action
    decision: Decision
    collection: str | None = None
    person_id: str | None = None
    target_key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who caused an event: the id of the API key (never the key), and the request.

    `key_id` is None for a caller of a service without keys.
    """

    key_id: str | None
    address: str | None = None
    request_id: str | None = None


COMMAND_LINE = Origin("cli")
SERVICE = Origin("service")
"""The housekeeping of a running service."""

# A context variable, because a write is recorded in its transaction, which is several calls below
# the code that knows the request. Worker threads inherit the context of their request.
_origin: ContextVar[Origin] = ContextVar("audit_origin", default=COMMAND_LINE)


def set_origin(origin: Origin) -> None:
    """Sets the origin of what the present task, and threads that it starts, record from now on."""
    _origin.set(origin)


def current_origin() -> Origin:
    """The origin that was set for the present task; COMMAND_LINE outside of requests."""
    return _origin.get()
