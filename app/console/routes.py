"""Serves the files of the console. They need no key; the requests that the page sends do."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.api.authorization import AuthorizedRoute
from app.api.static_files import StaticFolder

router = APIRouter(route_class=AuthorizedRoute, include_in_schema=False)

_FILES = StaticFolder(Path(__file__).parent / "static")


@router.get("/console")
async def console() -> RedirectResponse:
    """Redirect to the folder, against which the page's relative addresses are resolved."""
    return RedirectResponse("console/")


@router.get("/console/{path:path}")
async def console_file(request: Request, path: str) -> Response:
    """Get a file of the console; without a path, the page."""
    return await _FILES.respond(request, path or "index.html")
