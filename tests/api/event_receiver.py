"""A receiver of events that can fail, hang, refuse and work again."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Mode = Literal["ok", "fail", "hang", "refuse"]


class EventReceiver:
    """Keeps the headers and bodies of the events that it accepted, and counts all requests."""

    def __init__(self) -> None:
        self.mode: Mode = "ok"
        self.accepted: list[tuple[dict[str, str], bytes]] = []
        self.requests = 0
        self.released = threading.Event()
        self.url = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        """The accepted events."""
        return [json.loads(body) for _, body in self.accepted]

    @property
    def types(self) -> list[str]:
        """The types of the accepted events."""
        return [event["type"] for event in self.events]

    def wait(self, number: int) -> list[dict[str, Any]]:
        """The accepted events, as soon as there are so many."""
        wait_until(lambda: len(self.accepted) >= number)
        return self.events

    def wait_for_requests(self, number: int) -> None:
        """Returns after so many further requests."""
        before = self.requests
        wait_until(lambda: self.requests >= before + number)


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Returns when the condition holds; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.05)


@contextmanager
def receiving() -> Iterator[EventReceiver]:
    """Runs a receiver on a free port."""
    receiver = EventReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests += 1
            mode = receiver.mode
            if mode == "hang":
                receiver.released.wait(60)
                return
            if mode == "ok":
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.accepted.append((headers, body))
            self.send_response({"ok": 204, "fail": 503, "refuse": 422}[mode])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Prints nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/events"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
