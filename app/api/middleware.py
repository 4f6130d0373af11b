"""Around every request: an id, a body limit, timings, one log line, counters, no traceback."""

import re
import secrets
import time
from dataclasses import dataclass

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem
from app.errors import FileTooLarge, ImageTooLarge
from app.timings import Timings

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = structlog.get_logger("sima.access")


class Metrics:
    """Prometheus counters of one application; nothing global, so applications don't mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sima_requests",
            "Answers by route and status",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "sima_request_seconds", "Time to answer by route", ["route"], registry=self.registry
        )
        self.stages = Histogram(
            "sima_stage_seconds", "Time by stage of the work", ["stage"], registry=self.registry
        )


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How many bytes a request may have; an uploaded vector file more than photos."""

    photos: int
    vocabulary: int

    def check(self, path: str, received: int) -> None:
        """Raises ImageTooLarge or FileTooLarge."""
        if path == "/vocabularies" and received > self.vocabulary:
            raise FileTooLarge(f"the file has more than the {self.vocabulary} bytes allowed")
        if path != "/vocabularies" and received > self.photos:
            raise ImageTooLarge(f"the request has more than the {self.photos} bytes allowed")


class RequestContext:
    """Pure ASGI. Puts `request_id` and `timings` into the scope."""

    def __init__(self, app: ASGIApp, limits: BodyLimits, metrics: Metrics) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Exchange(scope, receive, send, self._limits, self._metrics).run(self._app)


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, limits: BodyLimits, metrics: Metrics
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._limits, self._metrics = limits, metrics
        sent = Headers(scope=scope).get("x-request-id", "")
        self._id = sent if _ID.fullmatch(sent) else secrets.token_hex(8)
        self._timings = Timings()
        self._received = 0
        self._status = 0
        scope["request_id"], scope["timings"] = self._id, self._timings

    async def run(self, app: ASGIApp) -> None:
        began = time.perf_counter()
        try:
            await app(self._scope, self._limited_receive, self._stamped_send)
        except Exception:
            _log.exception("unexpected error", request_id=self._id)
            if self._status == 0:
                answer = problem(
                    self._id, "internal_error", "something went wrong inside the service"
                )
                await answer(self._scope, self._receive, self._stamped_send)
        finally:
            self._report(time.perf_counter() - began)

    async def _limited_receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        self._limits.check(self._scope["path"], self._received)
        return message

    async def _stamped_send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._id
            headers["X-Content-Type-Options"] = "nosniff"
            if self._timings.milliseconds:
                headers["Server-Timing"] = self._timings.header()
        await self._send(message)

    def _report(self, seconds: float) -> None:
        # The route's template, never the path: a path may hold a name or a word.
        route = getattr(self._scope.get("route"), "path", "unknown")
        self._metrics.requests.labels(route, str(self._status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        for stage, milliseconds in self._timings.milliseconds.items():
            self._metrics.stages.labels(stage).observe(milliseconds / 1000.0)
        _log.info(
            "request",
            request_id=self._id,
            method=self._scope["method"],
            route=route,
            status=self._status,
            milliseconds=round(seconds * 1000.0, 2),
        )
