"""HTTP connections that end when the client sends headers too slowly or reads no response."""

import asyncio
import secrets
import sys
from array import array
from contextlib import suppress
from typing import Any

if sys.platform != "win32":
    import fcntl
    import termios

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.schemas.problems import Problem
from app.logs import get_logger

_MOST_HEADER_BYTES = 65_536

_log = get_logger("sima.access")


class HttpConnection(HttpToolsProtocol):
    """One connection of uvicorn, which itself waits for a client without a limit of time.

    The headers of a request must arrive within `client_seconds` (else 408) and have at most 64 KiB
    (else 431). While the client takes fewer bytes than the service sends, it must take some every
    `client_seconds`; otherwise the connection is closed and the response ends.
    """

    def __init__(self, *arguments: Any, client_seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._client_seconds = client_seconds
        self._timer: asyncio.TimerHandle | None = None
        self._headers: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Called by the transport at the start of the connection."""
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        """Called by the transport for each block that arrives."""
        super().data_received(data)
        if self._headers is not None:
            self._header_bytes += len(data)
            if self._header_bytes > _MOST_HEADER_BYTES:
                detail = f"the headers have more than {_MOST_HEADER_BYTES} bytes; send fewer"
                self._refuse(431, "Request Header Fields Too Large", "headers_too_large", detail)

    def on_message_begin(self) -> None:
        """Called by the parser at the first byte of a request."""
        super().on_message_begin()
        if self._headers is None:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of the headers."""
        self._cancel_headers()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Called by the transport when the bytes to send exceed its buffer."""
        super().pause_writing()
        self._expect_progress(self._unacknowledged())

    def resume_writing(self) -> None:
        """Called by the transport when the client has taken most of the buffer."""
        super().resume_writing()
        self._cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport at the end of the connection."""
        self._cancel()
        self._cancel_headers()
        super().connection_lost(exc)

    def _expect_headers(self) -> None:
        self._header_bytes = 0
        self._headers = self.loop.call_later(self._client_seconds, self._end_headers)

    def _cancel_headers(self) -> None:
        if self._headers is not None:
            self._headers.cancel()
            self._headers = None

    def _end_headers(self) -> None:
        detail = (
            f"the headers did not arrive within {self._client_seconds:g} s; send them sooner or "
            "raise SIMA_CLIENT_SECONDS"
        )
        self._refuse(408, "Request Timeout", "request_timeout", detail)

    def _refuse(self, status: int, phrase: str, code: str, detail: str) -> None:
        """Sends a problem response and closes the connection."""
        self._cancel_headers()
        _log.warning("headers_refused", code=code)
        body = Problem(
            type=f"urn:sima:problem:{code}",
            title=phrase,
            status=status,
            detail=detail,
            code=code,
            request_id=secrets.token_hex(8),
        ).model_dump_json(exclude_none=True)
        head = (
            f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/problem+json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write((head + body).encode("ascii"))
        self.transport.close()

    def _expect_progress(self, waiting: int) -> None:
        self._cancel()
        self._timer = self.loop.call_later(self._client_seconds, self._check_progress, waiting)

    def _check_progress(self, waiting: int) -> None:
        still_waiting = self._unacknowledged()
        if still_waiting < waiting:
            self._expect_progress(still_waiting)
            return
        _log.warning("client_stopped_reading", seconds=self._client_seconds)
        self.transport.abort()  # `close` would wait until the client has read the buffer

    def _unacknowledged(self) -> int:
        """Bytes that the client has not received: the transport's and the operating system's.

        The latter accepts more from the transport only after a megabyte, which would make a slow
        reader look like one that does not read.
        """
        queued = array("i", [0])
        socket = self.transport.get_extra_info("socket")
        if sys.platform != "win32" and socket is not None:
            with suppress(OSError):
                fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, queued)
        return self.transport.get_write_buffer_size() + queued[0]

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
