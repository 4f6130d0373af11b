"""The application factory. Nothing is built at import."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.to_thread
import structlog
from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app import __version__
from app.api import (
    collections,
    embeddings,
    enrollment,
    faces,
    persons,
    problems,
    system,
    vocabularies,
    words,
    zero_shot,
)
from app.api.deps import Context, Gate
from app.api.middleware import BodyLimits, Metrics, RequestContext
from app.api.schemas import zero_shot as zero_shot_schemas
from app.errors import SimaError
from app.logs import configure_logs
from app.settings import Settings
from app.store.housekeeping import Housekeeper
from app.wiring.services import build_services, concurrency

_log = structlog.get_logger("sima")

_DESCRIPTION = """Enroll a person with **one photo**, verify and identify with others; ask the
same embedding store for the nearest words. Errors are `application/problem+json`."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service. Models and store are opened by the lifespan, and closed by it."""
    settings = settings or Settings()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = await anyio.to_thread.run_sync(partial(build_services, settings))
        try:
            await anyio.to_thread.run_sync(services.prepare)
            threads = CapacityLimiter(concurrency(settings))
            app.state.context = Context(services, Gate(settings), metrics, threads)
            async with anyio.create_task_group() as background:
                background.start_soon(_keep_house, services.housekeeper)
                yield
                background.cancel_scope.cancel()
        finally:
            await anyio.to_thread.run_sync(services.close)

    app = FastAPI(title="Sima", version=__version__, description=_DESCRIPTION, lifespan=lifespan)
    app.add_middleware(RequestContext, limits=_limits(settings), metrics=metrics)
    problems.install(app)
    parts = (
        faces,
        enrollment,
        persons,
        collections,
        words,
        vocabularies,
        embeddings,
        zero_shot,
        system,
    )
    for module in parts:
        app.include_router(module.router)
    app.include_router(persons.receipts)
    app.openapi = partial(_openapi, app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def serve_app() -> FastAPI:
    """What uvicorn's workers call: settings from the environment, logs configured."""
    settings = Settings()
    configure_logs(settings.log_level)
    return create_app(settings)


async def _keep_house(housekeeper: Housekeeper) -> None:
    """Tidy now and then; what fails today is done the next time."""
    while True:
        try:
            await anyio.to_thread.run_sync(housekeeper.tidy)
        except SimaError as error:
            _log.warning("housekeeping put off", reason=str(error))
        await anyio.sleep(housekeeper.seconds)


def _limits(settings: Settings) -> BodyLimits:
    """Two photos as base64, or a vector file; and room for the fields."""
    return BodyLimits(
        photos=2 * (settings.max_image_bytes * 4 // 3) + 200_000,
        vocabulary=settings.max_vocabulary_bytes + 10_000,
    )


def _openapi(app: FastAPI) -> dict[str, object]:
    """The generated document, with the problem schema that every error refers to."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schema = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = schema.pop("$defs", {})
        label = zero_shot_schemas.LabelIn.model_json_schema()
        document["components"]["schemas"].update({**parts, "Problem": schema, "LabelIn": label})
        app.openapi_schema = document
    return app.openapi_schema
