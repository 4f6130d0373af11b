"""HTTP server for one file that supports ranges and can interrupt its answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """`breaks`: after how many bytes each of the next answers is interrupted.

    `starts` records the first byte of each request.
    """

    content: bytes
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(content: bytes, ranges: bool = True) -> Iterator[FileServer]:
    """Serves `content` at `server.url`; every path except `/missing` returns the same file."""
    server = FileServer(content, ranges)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/missing"):
                self.send_error(404)
                return
            asked = self.headers.get("Range", "bytes=0-")
            start = int(asked.removeprefix("bytes=").split("-")[0]) if server.ranges else 0
            server.starts.append(start)
            if start >= len(server.content):
                self.send_error(416)
                return
            body = server.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: server.breaks.pop(0)] if server.breaks else body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - theirs
            return

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}/file.safetensors"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
