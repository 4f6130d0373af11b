"""One HTTP request while it is processed: its body, its client, and its deadline."""

import math
import time

import anyio
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message, Scope

from app.api.bodies import RequestBody
from app.errors import InvalidRequest, Overloaded

TIMEOUT_HEADER = "X-Request-Timeout"
_SCOPE_KEY = "active_request"


class ActiveRequest:
    """The state of one request, from its first byte to the end of its response.

    The request has `seconds` to be answered, counted from the end of its body, because the time in
    which a body has to arrive is limited separately. All methods except `require_wanted` are called
    in the event loop.
    """

    def __init__(self, scope: Scope, body: RequestBody, seconds: float) -> None:
        headers = Headers(scope=scope)
        self._scope, self._body = scope, body
        self._seconds, self._seconds_of_client = seconds, math.inf
        self._body_read = "content-length" not in headers and "transfer-encoding" not in headers
        self._began = time.monotonic()
        self.disconnected = False
        """Whether the client left before its response was complete."""
        self.admitted = False
        """Whether the request was accepted into the queue for a worker thread."""
        self.may_be_stopped = False
        """Whether work in a worker thread ends before its next stage if nobody needs its result."""
        self.responding = self.responded = False
        """Whether the response has begun, and whether all of it was sent."""
        scope[_SCOPE_KEY] = self

    @staticmethod
    def of(scope: Scope) -> "ActiveRequest":
        """The request that the middleware created for this scope."""
        request = scope[_SCOPE_KEY]
        assert isinstance(request, ActiveRequest)
        return request

    @property
    def route(self) -> str:
        """The template of the path, which unlike the path contains no names or words."""
        return getattr(self._scope.get("route"), "path", "unknown")

    async def receive(self) -> Message:
        """The next ASGI message. Raises like `RequestBody.receive`."""
        message = await self._body.receive()
        if message["type"] == "http.disconnect":
            self.disconnected = self.disconnected or not self.responded
        elif not message.get("more_body", False) and not self._body_read:
            self._body_read = True
            self._began = time.monotonic()
        return message

    async def look_for_disconnect(self) -> None:
        """Notices a client that has left, without waiting."""
        if self._body_read:  # otherwise the next message may be a part of the body
            with anyio.CancelScope() as scope:
                scope.cancel()
                await self.receive()

    async def wait_for_disconnect(self) -> None:
        """Waits until the client leaves; forever while a part of the body was not read."""
        if not self._body_read:
            await anyio.sleep_forever()
        while not self.disconnected and not self.responded:
            await self.receive()

    def shorten(self, header: str | None) -> None:
        """Applies the header `X-Request-Timeout`, in seconds. Raises InvalidRequest."""
        if header is None:
            return
        try:
            seconds = float(header)
        except ValueError:
            seconds = math.nan
        if not 0.0 < seconds < math.inf:
            raise InvalidRequest(
                TIMEOUT_HEADER, "the header is not a positive number; send seconds such as 2.5"
            )
        self._seconds_of_client = seconds

    def restart(self) -> None:
        """Begins the next item of a batch: the limit of the settings counts for each item."""
        if self._seconds_of_client >= self._seconds:
            self._began = time.monotonic()

    def remaining(self) -> float:
        """Seconds until the deadline, which no longer applies once the response has begun."""
        if self.responding:
            return math.inf
        return self._began + self._allowed() - time.monotonic()

    def require_wanted(self) -> None:
        """Raises ClientDisconnect, or Overloaded after the deadline, unless the work must end."""
        if self.may_be_stopped and self.disconnected:
            raise ClientDisconnect
        if self.may_be_stopped and self.remaining() <= 0.0:
            raise self.too_late(retry_after=1)

    def too_late(self, retry_after: int) -> Overloaded:
        """The error for a request that cannot be answered before its deadline."""
        error = Overloaded(
            f"the request cannot be answered within {self._allowed():g} s; send it again later, or "
            f"raise {TIMEOUT_HEADER} or SIMA_REQUEST_SECONDS"
        )
        error.retry_after = retry_after
        return error

    def _allowed(self) -> float:
        return min(self._seconds, self._seconds_of_client)
