"""Lets requests begin a few at a time, so that the event loop answers probes between them."""

import asyncio
from collections import deque

_AT_ONCE = 8
"""About 3 ms of the event loop."""


class Turns:
    """Delays requests that arrive in the same pass of the event loop. For one event loop.

    When hundreds of clients send a request at the same instant, each takes a fraction of a
    millisecond before it waits for a worker thread, and everything else waits for all of them.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self) -> None:
        """Returns at once to the first requests of a pass of the event loop, then to the others in
        the order of their calls.
        """
        loop = asyncio.get_running_loop()
        if self._begun == 0:
            loop.call_soon(self._next_pass, loop)
        if self._begun < _AT_ONCE and not self._waiting:
            self._begun += 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next_pass(self, loop: asyncio.AbstractEventLoop) -> None:
        self._begun = 0
        while self._waiting and self._begun < _AT_ONCE:
            turn = self._waiting.popleft()
            if not turn.done():  # cancelled by the end of the service
                turn.set_result(None)
                self._begun += 1
        if self._begun:
            loop.call_soon(self._next_pass, loop)
