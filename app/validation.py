"""Validation of values, and the service's own texts for pydantic's validation errors.

HTTP requests (`app.api.problems`) and settings (`app.settings`) use the texts. A text states what
was sent and what is allowed. It quotes numbers and the values of options only: other strings may
be names, images or secrets and are described by their length.
"""

import json
import re
from collections.abc import Mapping, Sized
from typing import Any

NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f]+$"
NO_NUL = r"^[^\x00]*$"
RESOURCE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
RESOURCE_NAME_RULE = (
    "use 1 to 100 characters out of A-Z, a-z, 0-9, '.', '_' and '-', "
    "starting with a letter or a digit"
)

_PATTERNS = {
    NO_CONTROL_CHARACTERS: "use a string without control characters",
    NO_NUL: "use a string without NUL characters",
    RESOURCE_NAME: RESOURCE_NAME_RULE,
}

_RULES = {
    "int_type": "use a whole number",
    "int_parsing": "use a whole number",
    "int_from_float": "use a whole number",
    "int_parsing_size": "use a whole number with fewer digits",
    "float_type": "use a number",
    "float_parsing": "use a number",
    "finite_number": "use a finite number",
    "bool_type": "use true or false",
    "bool_parsing": "use true or false",
    "string_type": "use a string",
    "string_sub_type": "use a string",
    "string_unicode": "use a string of valid Unicode characters",
    "string_too_short": "use at least {min_length} characters",
    "string_too_long": "use at most {max_length} characters",
    "list_type": "use an array",
    "tuple_type": "use an array",
    "set_type": "use an array",
    "iterable_type": "use an array",
    "dict_type": "use an object",
    "mapping_type": "use an object",
    "model_type": "use an object",
    "model_attributes_type": "use an object",
    "none_required": "use null",
    "too_short": "use at least {min_length} items",
    "too_long": "use at most {max_length} items",
    "greater_than": "use a number greater than {gt}",
    "greater_than_equal": "use a number of at least {ge}",
    "less_than": "use a number less than {lt}",
    "less_than_equal": "use a number of at most {le}",
    "literal_error": "use {expected}",
    "enum": "use {expected}",
    "path_type": "use the path of a file or folder",
}

# Errors of options, flags and numbers, whose values are neither names nor images.
_QUOTED = {
    "literal_error",
    "enum",
    "bool_parsing",
    "int_parsing",
    "int_from_float",
    "float_parsing",
    "finite_number",
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
}
_LONGEST_QUOTE = 40
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

LONGEST_NAME = 200
"""Characters of a person's name or external id."""
MAX_METADATA_BYTES = 16_384
MAX_METADATA_DEPTH = 16
"""An object in an object has two levels."""


def error_text(error: Mapping[str, Any], secret: bool = False) -> str:
    """The text for one entry of `ValidationError.errors()`.

    A `secret` value is described by its type alone. Error types that are unknown here get a
    general text, never pydantic's own.
    """
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "missing":
        return "a value is required"
    if kind == "extra_forbidden":
        return "the field is unknown; remove it or correct its name"
    if kind == "json_invalid":
        return "the body is not valid JSON; send a JSON object in UTF-8"
    if kind == "value_error" and type(context.get("error")) is ValueError:
        return str(context["error"])
    quote = kind in _QUOTED and not secret
    sent = _describe(error.get("input"), quote, secret)
    return f"{sent} is not allowed; {_rule(kind, context)}"


def _rule(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern"))
        return _PATTERNS.get(pattern, f"use a string that matches the pattern {pattern}")
    rule = _RULES.get(kind, "see the schema of the field in /openapi.json")
    text = rule.format_map(context)
    return text.replace("at least 1 characters", "at least 1 character").replace(
        "at least 1 items", "at least 1 item"
    )


def _describe(value: object, quote: bool, secret: bool) -> str:
    """Quotes short numbers and options; describes other values by type and length."""
    number = isinstance(value, int | float)  # includes true and false
    if value is None or (not secret and (number or (quote and isinstance(value, str)))):
        quoted = json.dumps(value, ensure_ascii=False)
        if len(quoted) <= _LONGEST_QUOTE:
            return quoted
    if isinstance(value, str):
        return "the string" if secret else f"a string of {_count(value, 'character')}"
    if isinstance(value, list | tuple):
        return f"an array of {_count(value, 'item')}"
    if isinstance(value, dict):
        return "an object"
    return "the number" if number else "the value"


def _count(value: Sized, unit: str) -> str:
    return f"{len(value)} {unit}{'' if len(value) == 1 else 's'}"


def is_resource_name(name: str) -> bool:
    """Whether a collection or another named resource may have this name."""
    return re.fullmatch(RESOURCE_NAME, name) is not None


def require_plain_text(text: object) -> None:
    """Raises ValueError unless `text` is a string that may be a name or an id of a client."""
    if not isinstance(text, str):
        raise ValueError(f"{_describe(text, False, False)} is not allowed; use a string")
    if not 1 <= len(text) <= LONGEST_NAME:
        count = _count(text, "character")
        raise ValueError(f"a string of {count} is not allowed; use 1 to {LONGEST_NAME} characters")
    if not re.fullmatch(NO_CONTROL_CHARACTERS, text):
        raise ValueError("control characters are not allowed; remove them")
    if _LONE_SURROGATE.search(text):
        raise ValueError("the string is not valid Unicode; remove unpaired surrogates")


def require_storable(metadata: dict[str, Any]) -> dict[str, Any]:
    """Returns the metadata of a person. Raises ValueError, which names the limit it exceeds.

    It may have `MAX_METADATA_BYTES` bytes as compact JSON in UTF-8 and `MAX_METADATA_DEPTH` levels,
    finite numbers and valid Unicode only, so that every response and archive can contain it.
    """
    if _is_deeper(metadata, MAX_METADATA_DEPTH):
        raise ValueError(f"the object has more than {MAX_METADATA_DEPTH} levels; use fewer")
    try:
        text = json.dumps(metadata, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(
            "a string of the object is not valid Unicode; remove unpaired surrogates"
        ) from None
    except (TypeError, ValueError):
        raise ValueError(
            "a number of the object is not finite or too long; use finite numbers"
        ) from None
    if size > MAX_METADATA_BYTES:
        raise ValueError(
            f"the object has {size} bytes as JSON; the limit is {MAX_METADATA_BYTES} bytes"
        )
    return metadata


def _is_deeper(value: object, levels: int) -> bool:
    """Whether objects and arrays are nested more than `levels` deep."""
    if isinstance(value, dict):
        return levels == 0 or any(_is_deeper(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels == 0 or any(_is_deeper(item, levels - 1) for item in value)
    return False
