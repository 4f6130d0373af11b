"""Pagination tokens: the last item of a page, in URL-safe base64."""

import base64
import binascii

from app.compat.rekognition.failures import RekognitionError

_LARGEST_ROW_ID = 2**62


def token_of(last: str | int | None) -> str | None:
    """The token of the page after `last`; None if there is none."""
    return None if last is None else base64.urlsafe_b64encode(str(last).encode()).decode()


def last_name(token: str | None) -> str:
    """The name in a token, empty without one. Raises RekognitionError."""
    try:
        return base64.b64decode((token or "").encode(), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise _invalid() from None


def last_row_id(token: str | None) -> int:
    """The row_id in a token, 0 without one. Raises RekognitionError."""
    text = last_name(token) if token else "0"
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise _invalid()
    return min(int(text), _LARGEST_ROW_ID)


def _invalid() -> RekognitionError:
    return RekognitionError(
        "InvalidPaginationTokenException",
        "the NextToken is not one that this operation returned; begin without one",
    )
