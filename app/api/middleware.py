"""ASGI middleware: request ids, body limits, timings, metrics, the access log and 500 responses."""

import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.access_log import log_request
from app.api.active_request import ActiveRequest
from app.api.bodies import BodyLimits, HeldBodies, RequestBody
from app.api.metrics import Metrics
from app.api.problems import INTERNAL_ERROR, problem
from app.api.turns import Turns
from app.logs import get_logger
from app.timings import Timings

CLIENT_CLOSED_REQUEST = 499
"""Reported in metrics and the access log if the client left before its response was complete."""

_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = get_logger("sima.access")


class ResponseInterrupted(Exception):
    """A response that began cannot be completed; the server closes its connection."""


class RequestMiddleware:
    """Wraps every HTTP request; adds `request_id`, `timings` and an ActiveRequest to its scope.

    A request has `seconds` to be answered.
    """

    def __init__(
        self, app: ASGIApp, limits: BodyLimits, held: HeldBodies, metrics: Metrics, seconds: float
    ) -> None:
        self._app, self._limits, self._held, self._metrics = app, limits, held, metrics
        self._seconds = seconds
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] not in _WITHOUT_BODY:
            await self._turns.wait()
        body = RequestBody(scope["path"], receive, self._limits, self._held)
        request = ActiveRequest(scope, body, self._seconds)
        await _RequestHandler(scope, body, request, send, self._metrics).run(self._app)


class _RequestHandler:
    """Runs the application for one request and reports its outcome."""

    def __init__(
        self,
        scope: Scope,
        body: RequestBody,
        request: ActiveRequest,
        send: Send,
        metrics: Metrics,
    ) -> None:
        self._scope, self._body, self._request, self._send = scope, body, request, send
        self._metrics = metrics
        sent = Headers(scope=scope).get("x-request-id", "")
        self._id = sent if _ID.fullmatch(sent) else secrets.token_hex(8)
        self._timings = Timings(request.require_wanted)
        self._status = 0
        scope["request_id"], scope["timings"] = self._id, self._timings

    async def run(self, app: ASGIApp) -> None:
        began = time.perf_counter()
        self._metrics.in_progress.inc()
        try:
            await app(self._scope, self._request.receive, self._stamped_send)
        except ResponseInterrupted as error:
            _log.warning("response_interrupted", request_id=self._id, reason=str(error))
        except ClientDisconnect:
            self._request.disconnected = True
        except Exception:
            _log.exception("unexpected_error", request_id=self._id)
            if self._status == 0:
                response = problem(self._id, "internal_error", INTERNAL_ERROR)
                await response(self._scope, self._body.receive, self._stamped_send)
        finally:
            self._body.release()
            self._metrics.in_progress.dec()
            self._report(time.perf_counter() - began)

    async def _stamped_send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._request.look_for_disconnect()
            self._request.responding = True
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._id
            headers["X-Content-Type-Options"] = "nosniff"
            if self._timings.milliseconds:
                headers["Server-Timing"] = self._timings.header()
        self._request.responded = message["type"] == "http.response.body" and not message.get(
            "more_body"
        )
        await self._send(message)

    def _report(self, seconds: float) -> None:
        route = self._request.route
        status = CLIENT_CLOSED_REQUEST if self._request.disconnected else self._status
        self._metrics.count_request(self._scope["method"], route, status, seconds)
        self._metrics.count_stages(self._timings.milliseconds)
        log_request(self._scope, route, status, seconds)
