"""Domain exceptions about API keys, their permissions, limits and the audit log."""

from app.errors import Forbidden, SimaError


class OutOfScope(Forbidden):
    """The API key is restricted to other collections or vocabularies."""


class ApiKeyNotFound(SimaError):
    """No API key has this id."""

    code = "api_key_not_found"


class AuditLogDamaged(SimaError):
    """An event of the audit log was changed or removed; `sequence` is the first such event."""

    code = "audit_log_damaged"

    def __init__(self, sequence: int, what: str) -> None:
        super().__init__(
            f"event {sequence} {what}; compare the log with exports and backups made before"
        )
        self.sequence = sequence
