"""Writes template ids in the form of UUIDs, which clients of other services parse."""

import re

_TEMPLATE_ID = re.compile(r"[0-9a-f]{24}")
_UUID = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-4([0-9a-f]{3})-8([0-9a-f]{3})-([0-9a-f]{6})000000")
_NONE = ""
"""No template has this id."""


def image_id_of(template_id: str) -> str:
    """The 24 hexadecimal digits of a template id as a UUID of version 4 with six zeros at its end.

    Clients that check the version of a UUID expect 4, which CompreFace's ids have.
    """
    assert _TEMPLATE_ID.fullmatch(template_id), "templates of people have such ids"
    digits = template_id
    groups = (digits[:8], digits[8:12], f"4{digits[12:15]}", f"8{digits[15:18]}")
    return "-".join((*groups, f"{digits[18:]}000000"))


def template_id_of(image_id: str) -> str:
    """The template id of a UUID, in upper or lower case; an unknown id for any other text."""
    found = _UUID.fullmatch(image_id.lower())
    return "".join(found.groups()) if found else _NONE
