"""Checks the caller of a route against the route table, before the body of a request is read."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from app.api.audit import set_request_origin
from app.api.callers import ANYBODY, Caller, caller_of, set_caller
from app.api.deps import Context
from app.api.json_bodies import BoundedJsonRoute
from app.api.route_table import Access, access_of
from app.errors import Forbidden, Unauthorized
from app.errors_access import OutOfScope

_header = APIKeyHeader(
    name="X-API-Key",
    auto_error=False,
    description="A key made by `sima api-keys create`, or one of SIMA_API_KEYS.",
)
_bearer = HTTPBearer(auto_error=False, description="The same API key as a bearer token.")


async def _declare_key(
    _key: Annotated[str | None, Security(_header)] = None,
    _token: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
) -> None:
    """Declares in the OpenAPI document that a route requires a key. AuthorizedRoute checks it."""


class AuthorizedRoute(BoundedJsonRoute):
    """A route whose entry in the route table is enforced before FastAPI reads and parses the body.

    FastAPI itself evaluates dependencies afterwards, so that callers without a key could make it
    parse large bodies.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        [method] = options["methods"]
        self.access = access_of(method, path)
        if self.access.role is not None:
            options["dependencies"] = [*(options.get("dependencies") or ()), Depends(_declare_key)]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, preceded by the check."""
        handle = super().get_route_handler()

        async def authorized(request: Request) -> Response:
            await authorize(request, self.access)
            return await handle(request)

        return authorized


async def get_caller(request: Request) -> Caller:
    """The caller of a route that requires a role."""
    return caller_of(request)


CurrentCaller = Annotated[Caller, Depends(get_caller)]


async def find_details_caller(request: Request) -> Caller | None:
    """The caller of a route that requires no key and shows details to callers with one.

    None for a caller without a key in a service that has keys. Raises Unauthorized, RateLimited.
    """
    context = cast(Context, request.app.state.context)
    if _sent_key(request) is not None:
        return await _identify(request, context)
    if "ready" in context.services.settings.public:
        return ANYBODY
    return None if await context.authenticator.requires_keys() else ANYBODY


async def authorize(request: Request, access: Access) -> None:
    """Identifies the caller of a route that requires a role, and checks role and permission.

    Raises Unauthorized, RateLimited, Forbidden.
    """
    context = cast(Context, request.app.state.context)
    if access.role is None:
        return
    if access.public is not None and access.public in context.services.settings.public:
        set_caller(request.scope, ANYBODY)
        return
    caller = await _identify(request, context)
    caller.require_role(access.role)
    if access.permission is not None:
        caller.require_permission(access.permission)
    if access.scope == "service" and caller.is_restricted:
        raise OutOfScope(
            "this API key is restricted to some collections or vocabularies; use one that is not"
        )


async def _identify(request: Request, context: Context) -> Caller:
    """Identifies the caller and counts the request, also a refused one, against the rate limit.

    Without keys, and for unknown keys, the limit is that of the client's address: otherwise a
    caller could evade it by inventing keys.
    """
    address = request.client.host if request.client else "unknown"
    try:
        caller = await context.authenticator.identify(_sent_key(request))
    except (Unauthorized, Forbidden):
        await context.rate_limiter.refuse(address)
        raise
    set_caller(request.scope, caller)
    set_request_origin(request, caller)
    await context.rate_limiter.accept(caller.key_id, address)
    return caller


def _sent_key(request: Request) -> str | None:
    """The API key of the X-API-Key header, else the bearer token."""
    scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
    bearer = token if scheme.lower() == "bearer" else None
    return request.headers.get("X-API-Key") or bearer or None
