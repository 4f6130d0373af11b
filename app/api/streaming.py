"""Streams responses whose pieces are computed in worker threads."""

from collections.abc import AsyncIterator, Iterator

from app.api.deps import Context
from app.api.middleware import ResponseInterrupted
from app.errors import SimaError


async def stream(ctx: Context, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces, none of which is empty; no worker thread waits for the client.

    Raises ResponseInterrupted where a piece raises a SimaError: its status can no longer be sent.
    """
    try:
        while piece := await ctx.run(lambda: next(pieces, b"")):
            yield piece
    except SimaError as error:
        raise ResponseInterrupted(str(error)) from error
