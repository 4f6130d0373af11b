"""Endpoints for health, readiness, models, version and metrics."""

import platform
from typing import Literal

import onnxruntime
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.responses import RedirectResponse, Response

from app import __version__
from app.api.authorization import AuthorizedRoute, find_details_caller
from app.api.deps import Ctx
from app.api.problems import describe
from app.inference.manifest import Manifest
from app.wiring.services import available_models

router = APIRouter(route_class=AuthorizedRoute, tags=["service"])


class Health(BaseModel):
    """The process answers requests."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """`providers` are the execution providers in order of preference, `collections` the sizes of
    those that the key may use. In a service with keys, callers without one receive the status only.
    """

    status: Literal["ready"] = "ready"
    model: str | None = None
    detector: str | None = None
    providers: list[str] | None = None
    database: Literal["reachable"] | None = None
    index: Literal["caught up"] | None = None
    collections: dict[str, int] | None = None


class Version(BaseModel):
    """Versions of the service and its runtime."""

    name: Literal["sima"] = "sima"
    version: str
    python: str
    onnxruntime: str


class ModelCard(BaseModel):
    """A manifest; `active` marks the model that the service uses."""

    active: bool
    manifest: Manifest


class ModelList(BaseModel):
    """All installed face models."""

    models: list[ModelCard]


@router.get("/", include_in_schema=False)
async def root(ctx: Ctx) -> RedirectResponse:
    """Redirect to the console; without it, to the documentation of the API."""
    return RedirectResponse("console/" if ctx.services.settings.console else "docs")


@router.get("/health")
async def get_health() -> Health:
    """Check that the process answers requests."""
    return Health()


@router.get(
    "/ready",
    responses={status: describe()[status] for status in (401, 429, 503)},
    response_model_exclude_none=True,
)
async def get_readiness(request: Request, ctx: Ctx) -> Ready:
    """Check that models are loaded, the store is readable and every index is up to date.

    If not, `check` in the error names what failed: `database_file`, `tables` or `index`.
    """
    services = ctx.services
    sizes = await ctx.probe(services.readiness.check)
    caller = await find_details_caller(request)
    if caller is None:
        return Ready()
    return Ready(
        database="reachable",
        index="caught up",
        model=services.embedder.space.name,
        detector=services.pipeline.detector.name,
        providers=list(services.embedder.providers),
        collections={name: size for name, size in sizes.items() if caller.may_use(name, None)},
    )


@router.get("/models")
async def list_models(ctx: Ctx) -> ModelList:
    """List the installed face models with licence and measured accuracy."""
    active = ctx.services.embedder.manifest.sha256
    found = await ctx.run(lambda: available_models(ctx.services.settings))
    return ModelList(models=[ModelCard(active=m.sha256 == active, manifest=m) for m in found])


@router.get("/version")
async def get_version() -> Version:
    """Get the versions of the service and its runtime."""
    return Version(
        version=__version__,
        python=platform.python_version(),
        onnxruntime=onnxruntime.__version__,
    )


@router.get("/metrics", response_class=Response, include_in_schema=False)
async def metrics(ctx: Ctx) -> Response:
    """Get the Prometheus metrics of all workers of this service."""
    return Response(await ctx.probe(ctx.metrics.export), media_type=CONTENT_TYPE_LATEST)
