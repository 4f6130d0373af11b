"""Refuses NUL characters in paths and queries, which PostgreSQL can neither store nor compare."""

from fastapi import Request

from app.errors import InvalidRequest


async def refuse_nul(request: Request) -> None:
    """Raises InvalidRequest if the decoded path or query contains a NUL character."""
    if "\0" in request.scope["path"]:
        raise InvalidRequest("path", "the path contains a NUL character (%00); remove it")
    for name, value in request.query_params.multi_items():
        if "\0" in name or "\0" in value:
            raise InvalidRequest("query", "the query contains a NUL character (%00); remove it")
