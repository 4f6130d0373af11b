"""HTTP connections that are closed when the client stops reading a response."""

import asyncio
import sys
from array import array
from contextlib import suppress
from typing import Any

if sys.platform != "win32":
    import fcntl
    import termios

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.logs import get_logger

_log = get_logger("sima.access")


class HttpConnection(HttpToolsProtocol):
    """One connection of uvicorn, which itself waits for a reader without a limit of time.

    While the client takes fewer bytes than the service sends, it must take some every
    `client_seconds`; otherwise the connection is closed and the response ends.
    """

    def __init__(self, *arguments: Any, client_seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._client_seconds = client_seconds
        self._timer: asyncio.TimerHandle | None = None

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
        super().connection_lost(exc)

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
