"""Refuses requests that a web page of another origin makes a browser send.

A service without API keys trusts everybody who reaches it, and a browser on the same machine
reaches it for any page that it shows.
"""

from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.deps import Context
from app.api.problems import problem
from app.errors import NotReady
from app.settings import Settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_WITHOUT_EFFECT = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class BrowserPolicy:
    """`hosts` are the accepted host names, None for any; `origins` may send requests with effect.

    The check of the host defeats pages whose name was made to resolve to this machine (DNS
    rebinding).
    """

    hosts: frozenset[str] | None
    origins: frozenset[str]

    @classmethod
    def of(cls, settings: Settings) -> "BrowserPolicy":
        """Accepts any host if callers need keys, or if the service is open to everybody."""
        origins = frozenset(settings.cors_origins)
        if settings.api_keys or settings.oidc_issuer or settings.open:
            return cls(None, origins)
        return cls(_LOOPBACK | {settings.host} | set(settings.allowed_hosts), origins)

    def host_refusal(self, headers: Headers) -> str | None:
        """Returns why the host of a service without keys is refused, or None."""
        if self.hosts is None:
            return None
        name = _host_name(headers.get("host", ""))
        if name in self.hosts:
            return None
        return (
            f"the host {name[:100]!r} is not accepted by a service without API keys; create one "
            "with `sima api-keys create`, or add the host to SIMA_ALLOWED_HOSTS"
        )

    def origin_refusal(self, method: str, headers: Headers) -> str | None:
        """Returns why the origin of the request is refused, or None."""
        origin = headers.get("origin")
        if origin is None or method in _WITHOUT_EFFECT or origin in self.origins:
            return None
        if _authority(origin) == headers.get("host", ""):
            return None
        return "a page of another origin sent the request; add the origin to SIMA_CORS_ORIGINS"


class BrowserMiddleware:
    """Answers 403 `forbidden` to requests that the policy refuses, before they are read."""

    def __init__(self, app: ASGIApp, policy: BrowserPolicy) -> None:
        self._app, self._policy = app, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            refusal = self._policy.host_refusal(headers)
            if refusal is not None and await _requires_keys(scope):
                refusal = None
            refusal = refusal or self._policy.origin_refusal(scope["method"], headers)
            if refusal is not None:
                response = problem(str(scope.get("request_id", "")), "forbidden", refusal)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _host_name(host: str) -> str:
    """The name of a Host header, an empty text if it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _authority(origin: str) -> str | None:
    """The host and port of an origin, None if it is malformed."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


async def _requires_keys(scope: Scope) -> bool:
    """Whether a key was created since the service started. False if the database fails."""
    context = cast(Context, scope["app"].state.context)
    try:
        return await context.authenticator.requires_keys()
    except NotReady:
        return False
