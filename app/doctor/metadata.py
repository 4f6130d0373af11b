"""Turns metadata that must not be stored into metadata that may, without losing a value.

`app.store.person_fields` has the rule.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from app.errors import InvalidRequest
from app.store.person_fields import require_valid_person
from app.validation import MAX_METADATA_DEPTH

_SURROGATE = re.compile("[\ud800-\udfff]")
_MOVED = "sima_doctor"


@dataclass(frozen=True, slots=True)
class Mended:
    """Valid metadata, and one text for every change."""

    metadata: dict[str, Any]
    changes: tuple[str, ...]


def invalid_reason(raw: str) -> str | None:
    """Why the JSON text of a person's metadata must not be stored; None if it may be."""
    try:
        metadata = json.loads(raw)
    except (ValueError, RecursionError):
        return "the text is not JSON, or nested too deep to be read"
    if not isinstance(metadata, dict):
        return "the metadata is not an object"
    try:
        require_valid_person(None, None, metadata)
    except InvalidRequest as error:
        return str(error)
    return None


def mend(raw: str, saved_in: str) -> Mended:
    """Returns valid metadata with the content of the JSON text.

    An unpaired surrogate becomes its escape as text, such as "\\ud800"; a number that is not
    finite, its name; the levels below the permitted ones, their JSON text. Metadata that cannot be
    read or is too large afterwards is replaced by a note that names `saved_in`, the file with the
    original text.
    """
    try:
        found = json.loads(raw)
        changes: list[str] = []
        mended = _mend(found, "metadata", 1, changes)
        if isinstance(mended, dict):
            require_valid_person(None, None, mended)
            return Mended(mended, tuple(changes))
    except (ValueError, RecursionError, InvalidRequest):
        pass
    note = {_MOVED: f"the metadata was too large or unreadable; the original is in {saved_in}"}
    return Mended(note, (f"metadata: moved to {saved_in}",))


def _mend(value: Any, path: str, level: int, changes: list[str]) -> Any:
    if isinstance(value, str):
        return _text(value, path, changes)
    if isinstance(value, float) and not math.isfinite(value):
        changes.append(f"{path}: the number {value} is now text")
        return str(value)
    if isinstance(value, dict | list) and level > MAX_METADATA_DEPTH:
        changes.append(f"{path}: everything below is now JSON text")
        return json.dumps(value)
    if isinstance(value, list):
        return [_mend(one, f"{path}[{i}]", level + 1, changes) for i, one in enumerate(value)]
    if isinstance(value, dict):
        fields: dict[str, Any] = {}
        for name, one in value.items():
            key = _text(name, f"{path}, a field name", changes)
            while key in fields or (key != name and key in value):
                key += "_"
            fields[key] = _mend(one, f"{path}.{key}", level + 1, changes)
        return fields
    return value


def _text(text: str, path: str, changes: list[str]) -> str:
    escaped = _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if escaped != text:
        changes.append(f"{path}: unpaired surrogates are now text such as \\ud800")
    return escaped
