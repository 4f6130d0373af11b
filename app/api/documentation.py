"""The OpenAPI document and the pages that show it."""

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse, JSONResponse

from app.api.authorization import AuthorizedRoute

router = APIRouter(route_class=AuthorizedRoute, include_in_schema=False)


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """Get the OpenAPI document; behind a proxy, with the path of the service."""
    document, root = request.app.openapi(), _root(request)
    return JSONResponse({**document, "servers": [{"url": root}]} if root else document)


@router.get("/docs")
async def swagger_ui(request: Request) -> HTMLResponse:
    """Show the document with Swagger UI."""
    return get_swagger_ui_html(openapi_url=f"{_root(request)}/openapi.json", title="Sima")


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """Show the document with ReDoc."""
    return get_redoc_html(openapi_url=f"{_root(request)}/openapi.json", title="Sima")


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")
