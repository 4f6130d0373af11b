"""Limits of request bodies: size, time of arrival, and the memory of all bodies of a process."""

import time
from dataclasses import dataclass

import anyio
from starlette.types import Message, Receive

from app.api.body_errors import BodyTooSlow
from app.errors import FileTooLarge, ImageTooLarge, Overloaded

FILES = frozenset({"/vocabularies", "/collections/import"})
"""Paths that take files, which are written to disk while they arrive."""

_BYTES_PER_SECOND = 10_000


class HeldBodies:
    """Counts the bytes of all request bodies that a process holds at a time."""

    def __init__(self, limit: int) -> None:
        self._limit, self._bytes = limit, 0

    def add(self, size: int, own: int) -> None:
        """Adds `size` bytes of a request of which `own` bytes were added before.

        Raises Overloaded if all bodies together exceed the limit; one that exceeds it alone is
        accepted while there is no other, and so is an empty one.
        """
        if size and self._bytes + size > self._limit and self._bytes > own:
            raise Overloaded(
                "the service holds the bodies of too many requests; send the request again, or "
                "raise SIMA_MAX_BODIES_BYTES"
            )
        self._bytes += size

    def remove(self, size: int) -> None:
        """Subtracts the bytes of a request that has ended."""
        self._bytes -= size


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Maximum size of a request body in bytes, for images and for files (`FILES`).

    A body may keep the service waiting for `client_seconds`, and longer in proportion to what has
    arrived.
    """

    photos: int
    vocabulary: int
    client_seconds: float

    def check(self, path: str, received: int) -> None:
        """Raises ImageTooLarge or FileTooLarge."""
        if path in FILES and received > self.vocabulary:
            raise FileTooLarge(
                f"the request exceeds {self.vocabulary} bytes; send a smaller file, or raise "
                "SIMA_MAX_VOCABULARY_BYTES"
            )
        if path not in FILES and received > self.photos:
            raise ImageTooLarge(
                f"the request exceeds {self.photos} bytes; send a smaller image, or raise "
                "SIMA_MAX_IMAGE_BYTES"
            )


class RequestBody:
    """The body of one request, as it arrives."""

    def __init__(self, path: str, receive: Receive, limits: BodyLimits, held: HeldBodies) -> None:
        self._path, self._receive = path, receive
        self._limits, self._held = limits, held
        self._received, self._held_bytes = 0, 0
        self._waited = 0.0
        self._complete = False

    async def receive(self) -> Message:
        """The next ASGI message.

        Raises ImageTooLarge, FileTooLarge, BodyTooSlow or Overloaded.
        """
        if self._complete:  # the next message is the end of the connection
            return await self._receive()
        message = await self._receive_in_time()
        size = len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        self._received += size
        self._limits.check(self._path, self._received)
        if self._path not in FILES:
            self._held.add(size, self._held_bytes)
            self._held_bytes += size
        return message

    def release(self) -> None:
        """Tells that the request has ended."""
        self._held.remove(self._held_bytes)
        self._held_bytes = 0

    async def _receive_in_time(self) -> Message:
        allowed = self._limits.client_seconds + self._received / _BYTES_PER_SECOND
        began = time.monotonic()
        try:
            with anyio.fail_after(max(allowed - self._waited, 0.0)):
                return await self._receive()
        except TimeoutError as error:
            raise BodyTooSlow(
                f"{self._received} bytes of the body arrived in {allowed:.0f} s; send at least "
                f"{_BYTES_PER_SECOND} bytes per second, or raise SIMA_CLIENT_SECONDS"
            ) from error
        finally:
            self._waited += time.monotonic() - began
