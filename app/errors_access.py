"""Domain exceptions about API keys, their permissions, limits and the audit log."""

from app.errors import Forbidden


class OutOfScope(Forbidden):
    """The API key is restricted to other collections or vocabularies."""
