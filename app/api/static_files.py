"""Serves folders of static files to browsers, with a content security policy and ETags."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # browsers ask again with the ETag, so that an upgrade is seen
}


class StaticFolder:
    """The files of one folder of the package. They contain no data, so that they need no key."""

    def __init__(self, folder: Path) -> None:
        self._files = StaticFiles(directory=folder, check_dir=False)

    async def respond(self, request: Request, path: str) -> Response:
        """The whole file, or 304 if the browser has it. Raises HTTPException 404 if there is none.

        A `Range` is ignored, as RFC 9110 permits: the files are small, and Starlette answers an
        invalid one with plain text.
        """
        headers = request.scope["headers"]
        request.scope["headers"] = [(name, value) for name, value in headers if name != b"range"]
        response = await self._files.get_response(path, request.scope)
        del response.headers["Accept-Ranges"]
        response.headers.update(_HEADERS)
        return response
