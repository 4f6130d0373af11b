"""Sends a request over a connection of its own, and reads the response."""

import socket
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse

from benchmarks.fuzz.requests import FuzzRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, or `failure`: why there is none. The service may have closed the connection.

    Only a response about too much load, in the form of any API, has the header `Retry-After`.
    """

    status: int = 0
    content_type: str = ""
    body: bytes = b""
    retry_after: str | None = None
    failure: str | None = None
    is_closed: bool = False


def send(port: int, request: FuzzRequest, seconds: float) -> Answer:
    """Sends the request to 127.0.0.1. `seconds` is the longest wait for any of its bytes."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
            return _send(connection, request)
    except TimeoutError:
        return Answer(failure=f"no response within {seconds:g} s")
    except (OSError, HTTPException) as error:
        closed = isinstance(error, ConnectionResetError | BrokenPipeError | HTTPException)
        return Answer(failure=f"no response: {error!r}"[:200], is_closed=closed)


def _send(connection: socket.socket, request: FuzzRequest) -> Answer:
    try:
        connection.sendall(request.content())
        if not request.is_complete:
            connection.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the service may refuse a request before its body was sent; the response follows
    response = HTTPResponse(connection, method=request.method)
    response.begin()
    body = response.read()
    headers = response.headers
    return Answer(response.status, headers.get_content_type(), body, headers["Retry-After"])
