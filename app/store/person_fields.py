"""The rule for what a person's fields may contain, for every way into the database."""

from collections.abc import Callable
from typing import Any

from app.errors import InvalidRequest
from app.validation import require_plain_text, require_storable


def require_valid_person(
    name: str | None, external_id: str | None, metadata: dict[str, Any] | None
) -> None:
    """Raises InvalidRequest for the first field that must not be stored; None is not checked.

    Such a field would make later responses and exports fail: no JSON text contains it.
    """
    _require("name", name, require_plain_text)
    _require("external_id", external_id, require_plain_text)
    _require("metadata", metadata, require_storable)


def require_valid_texts(**texts: str | None) -> None:
    """Raises InvalidRequest for the first text that must not be stored; None is not checked."""
    for field, text in texts.items():
        _require(field, text, require_plain_text)


def _require(field: str, value: Any, check: Callable[[Any], object]) -> None:
    if value is None:
        return
    try:
        check(value)
    except ValueError as error:
        raise InvalidRequest(field, f"{field}: {error}") from error
