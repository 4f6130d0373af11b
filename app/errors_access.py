"""Domain exceptions about API keys, their permissions, limits and the audit log."""

from app.errors import Forbidden, SimaError


class OutOfScope(Forbidden):
    """The API key is restricted to other collections or vocabularies."""


class ApiKeyNotFound(SimaError):
    """No API key has this id."""

    code = "api_key_not_found"
