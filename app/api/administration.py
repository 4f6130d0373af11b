"""Endpoints for administrators: API keys and the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.authorization import AuthorizedRoute
from app.api.deps import Ctx
from app.api.parameters import ApiKeyId
from app.api.problems import describe
from app.api.schemas import administration as schemas
from app.audit_events import AuditEvent

router = APIRouter(route_class=AuthorizedRoute, tags=["administration"])


@router.get("/api-keys", responses=describe())
async def list_api_keys(ctx: Ctx) -> schemas.ApiKeyList:
    """List the API keys of the store, newest first; also revoked and expired ones."""
    found = await ctx.run(ctx.services.api_keys.list_all)
    return schemas.ApiKeyList(api_keys=[schemas.ApiKeyOut.of(key) for key in reversed(found)])


@router.post("/api-keys", status_code=201, responses=describe())
async def create_api_key(ctx: Ctx, new: schemas.NewApiKey) -> schemas.CreatedApiKey:
    """Create an API key. The answer is the only one that contains it.

    Once there is a key, the service requires one.
    """
    key, text = await ctx.write(
        lambda: ctx.services.api_keys.create(new.name, new.rights(), new.lifetime())
    )
    ctx.authenticator.key_created()
    return schemas.CreatedApiKey(**schemas.ApiKeyOut.of(key).model_dump(), key=text.text)


@router.delete("/api-keys/{key_id}", status_code=204, responses=describe(404))
async def revoke_api_key(ctx: Ctx, key_id: ApiKeyId) -> Response:
    """Revoke an API key. Every worker refuses it from its next request on."""
    await ctx.write(lambda: ctx.services.api_keys.revoke(key_id))
    return Response(status_code=204)


@router.get("/audit", responses=describe(409))
async def read_audit_log(
    ctx: Ctx, query: Annotated[schemas.AuditQuery, Query()]
) -> schemas.AuditPage:
    """Read the audit log, newest events first. Reading it is an event itself."""
    services = ctx.services

    def work() -> schemas.AuditPage:
        page = services.audit_log.page(query.wanted(), query.before, query.limit)
        services.database.record(AuditEvent("audit.read", "read", query.collection))
        return schemas.AuditPage(
            enabled=services.settings.audit,
            events=[schemas.AuditEventOut.of(entry) for entry in page],
            next_before=page[-1].sequence if len(page) == query.limit else None,
        )

    return await ctx.write(work)
