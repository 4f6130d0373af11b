"""Creates the FastAPI application."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import anyio
import anyio.to_thread
from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts

from app import __version__
from app.api import (
    administration,
    collections,
    documentation,
    duplicates,
    embeddings,
    enrollment,
    faces,
    gallery_files,
    persons,
    problems,
    reassignment,
    rejections,
    system,
    visitors,
    vocabularies,
    words,
    zero_shot,
)
from app.api.auth import ApiKeyAuthenticator
from app.api.bodies import BodyLimits, HeldBodies
from app.api.browser_requests import BrowserMiddleware, BrowserPolicy
from app.api.deps import Context
from app.api.metrics import Metrics
from app.api.middleware import RequestMiddleware
from app.api.nul import refuse_nul
from app.api.rate_limits import RateLimiter, RateLimits
from app.api.schemas import zero_shot as zero_shot_schemas
from app.api.schemas.problems import Problem
from app.api.slots import WorkerSlots
from app.api.stored_keys import StoredKeys
from app.api.token_settings import open_tokens
from app.audit_events import SERVICE, set_origin
from app.compat.compreface import routes as compreface
from app.compat.deepstack import routes as deepstack
from app.compat.rekognition import routes as rekognition
from app.console import routes as console
from app.errors import SimaError
from app.logs import configure_logs, get_logger
from app.process import (
    MemoryReturner,
    exempt_from_garbage_collection,
    shorten_thread_switches,
)
from app.settings import Settings
from app.store.housekeeping import Housekeeper
from app.wiring.rate_limits import open_counter
from app.wiring.services import Services, build_services, concurrency

_log = get_logger("sima")

_MEASURE_SECONDS = 10.0
_MEMORY_SECONDS = 2.0

_DESCRIPTION = """Face recognition from **one photo** per person: enroll, verify and identify.
The same embedding store answers nearest-word queries and zero-shot classification. Errors are
`application/problem+json` (RFC 9457). The header `X-Request-Timeout` shortens the time, in seconds,
after which a request that still waits is refused with 503 `overloaded`."""


def create_app(
    settings: Settings | None = None, on_start: Callable[[], None] = lambda: None
) -> FastAPI:
    """Creates the application. Its lifespan opens and closes the models and the store.

    `on_start` is called when they are open.
    """
    settings = settings or Settings()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = await anyio.to_thread.run_sync(partial(build_services, settings))
        rate_limiter = RateLimiter(RateLimits.of(settings), open_counter(settings))
        try:
            await anyio.to_thread.run_sync(services.readiness.prepare)
            authenticator = ApiKeyAuthenticator(
                settings.secret_key_roles(),
                StoredKeys(services.database),
                open_tokens(settings),
                other_keys=bool(settings.rekognition_keys),
            )
            slots = WorkerSlots(
                concurrency(settings),
                settings.max_waiting,
                settings.busy_seconds,
                metrics.waiting.set,
            )
            app.state.context = Context(services, authenticator, rate_limiter, metrics, slots)
            _build_routes(app)
            on_start()
            if services.event_sender is not None:
                services.event_sender.start()
            async with anyio.create_task_group() as background:
                background.start_soon(_run_housekeeping, services.housekeeper)
                background.start_soon(_measure_store, services, metrics)
                background.start_soon(_return_memory, slots)
                yield
                background.cancel_scope.cancel()
        finally:
            rate_limiter.close()
            await anyio.to_thread.run_sync(services.close)

    app = FastAPI(
        openapi_url=None,  # app.api.documentation has the pages
        title="Sima",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        dependencies=[Depends(refuse_nul)],
        root_path=settings.root_path,
        generate_unique_id_function=lambda route: route.name,
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["X-Request-ID", "Sima-Erasure", "Retry-After"],
        )
    app.add_middleware(BrowserMiddleware, policy=BrowserPolicy.of(settings))
    app.add_middleware(
        RequestMiddleware,
        limits=_limits(settings),
        held=HeldBodies(settings.max_bodies_bytes),
        metrics=metrics,
        seconds=settings.request_seconds,
    )
    problems.install(app)
    endpoints = (
        faces,
        enrollment,
        persons,
        reassignment,
        rejections,
        gallery_files,
        collections,
        duplicates,
        visitors,
        words,
        vocabularies,
        embeddings,
        zero_shot,
        administration,
        system,
        documentation,
    )
    if "rekognition" in settings.compat:
        # Routers are asked in order until one matches. This one has a single route: the others lose
        # nothing if it comes first; as the last one, its requests took up to 0.5 ms longer.
        app.include_router(rekognition.router)
    for module in endpoints:
        app.include_router(module.router)
    app.include_router(persons.receipts)
    if settings.console:
        app.include_router(console.router)
    for name, router in (("compreface", compreface.router), ("deepstack", deepstack.router)):
        if name in settings.compat:
            app.include_router(router)
    app.openapi = partial(_openapi, app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def serve_app() -> FastAPI:
    """Creates the application from the environment, for uvicorn's workers."""
    settings = Settings()
    configure_logs(settings.log_level)
    shorten_thread_switches()
    return create_app(settings, exempt_from_garbage_collection)


async def _run_housekeeping(housekeeper: Housekeeper) -> None:
    """Runs the housekeeper periodically. A failed run is logged and soon repeated."""
    set_origin(SERVICE)
    while True:
        try:
            purged = await anyio.to_thread.run_sync(housekeeper.run)
        except SimaError as error:
            purged = False
            _log.warning("housekeeping_failed", reason=str(error))
        await anyio.sleep(housekeeper.seconds if purged else housekeeper.retry_seconds)


async def _measure_store(services: Services, metrics: Metrics) -> None:
    """Updates the metrics of the store periodically. A failure shows in `/ready`."""
    while True:
        with suppress(SimaError):
            entries, pending = await anyio.to_thread.run_sync(services.readiness.measure)
            metrics.set_store(entries, pending)
        if (sender := services.event_sender) is not None:
            with suppress(SimaError):
                waiting = await anyio.to_thread.run_sync(sender.waiting)
                metrics.set_events(waiting, sender.counts.take())
        await anyio.sleep(_MEASURE_SECONDS)


async def _return_memory(slots: WorkerSlots) -> None:
    """Returns free memory to the operating system after many requests, when none is processed."""
    returner = MemoryReturner()
    while True:
        await anyio.sleep(_MEMORY_SECONDS)
        if slots.queue.is_idle:
            await anyio.to_thread.run_sync(returner.return_free)


def _build_routes(app: FastAPI) -> None:
    """Builds the routes of the routers, which FastAPI otherwise does during the first request."""
    for _ in iter_route_contexts(app.routes):
        pass


def _limits(settings: Settings) -> BodyLimits:
    """Two images as base64 or one vocabulary file, plus the other fields."""
    return BodyLimits(
        photos=2 * (settings.max_image_bytes * 4 // 3) + 200_000,
        vocabulary=settings.max_vocabulary_bytes + 10_000,
        client_seconds=settings.client_seconds,
    )


def _openapi(app: FastAPI) -> dict[str, object]:
    """The generated OpenAPI document with the schemas that hand-written parts refer to."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = schema.pop("$defs", {})
        label = zero_shot_schemas.LabelIn.model_json_schema()
        document["components"]["schemas"].update({**parts, "Problem": schema, "LabelIn": label})
        app.openapi_schema = document
    return app.openapi_schema
