"""Cursors of lists that are returned page by page."""

import base64
import binascii

from app.errors import InvalidRequest

_LARGEST_ROW_ID = 2**31 - 1  # of PostgreSQL's integer


def encode_cursor(row_id: int) -> str:
    """The cursor of the page that starts after a row."""
    return base64.urlsafe_b64encode(f"after:{row_id}".encode()).decode()


def decode_cursor(cursor: str | None) -> int:
    """The row_id in a cursor; 0 for the first page. Raises InvalidRequest."""
    if cursor is None:
        return 0
    try:
        kind, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        if kind != "after" or not number.isascii() or not number.isdigit() or len(number) > 10:
            raise ValueError
        if int(number) > _LARGEST_ROW_ID:
            raise ValueError
        return int(number)
    except (binascii.Error, ValueError, UnicodeError) as error:
        raise InvalidRequest(
            "cursor", "the cursor is invalid; use next_cursor of the previous page"
        ) from error
