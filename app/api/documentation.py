"""The OpenAPI document and the page that shows it, with Swagger UI from the package's own files."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.api.authorization import AuthorizedRoute
from app.api.static_files import StaticFolder

router = APIRouter(route_class=AuthorizedRoute, include_in_schema=False)

_SWAGGER_UI = StaticFolder(Path(__file__).parent / "swagger_ui")


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """Get the OpenAPI document; behind a proxy, with the path of the service."""
    document, root = request.app.openapi(), _root(request)
    return JSONResponse({**document, "servers": [{"url": root}]} if root else document)


@router.get("/docs")
async def swagger_ui(request: Request) -> Response:
    """Show the document with Swagger UI."""
    return await _SWAGGER_UI.respond(request, "index.html")


@router.get("/docs/{file}")
async def swagger_ui_file(request: Request, file: str) -> Response:
    """Get a file of Swagger UI."""
    return await _SWAGGER_UI.respond(request, file)


@router.get("/redoc")
async def redoc() -> RedirectResponse:
    """Redirect to the page that shows the document."""
    return RedirectResponse("docs")


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")
