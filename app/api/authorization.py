"""Read and write access of endpoints, checked before the body of a request is read."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from app.api.audit import set_request_origin
from app.api.callers import set_caller
from app.api.deps import Context
from app.api.json_bodies import BoundedJsonRoute
from app.errors import Forbidden, Unauthorized
from app.settings import Role

_CHECKED = "authorized_role"

_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="One of SIMA_API_KEYS.")
_bearer = HTTPBearer(auto_error=False, description="The same API key as a bearer token.")

ApiKey = Annotated[str | None, Security(_header)]
BearerToken = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


async def require_read(request: Request, _key: ApiKey = None, _bearer: BearerToken = None) -> None:
    """Requires any known API key. Raises Unauthorized or RateLimited."""
    await _authorize_once(request, "read")


async def require_write(request: Request, _key: ApiKey = None, _bearer: BearerToken = None) -> None:
    """Requires an API key with the role `admin`. Raises Unauthorized, Forbidden, RateLimited."""
    await _authorize_once(request, "admin")


Reader = Depends(require_read)
Writer = Depends(require_write)

_ROLES: dict[object, Role] = {require_read: "read", require_write: "admin"}


class AuthorizedRoute(BoundedJsonRoute):
    """Checks the Reader or Writer dependency of a route before FastAPI reads and parses the body.

    FastAPI itself evaluates dependencies afterwards, so that callers without a key could make it
    parse large bodies.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, preceded by the check."""
        handle = super().get_route_handler()
        role = _role_of(self)
        if role is None:
            return handle

        async def authorized(request: Request) -> Response:
            await _authorize_once(request, role)
            return await handle(request)

        return authorized


def _role_of(route: BoundedJsonRoute) -> Role | None:
    found = (_ROLES.get(dependency.dependency) for dependency in route.dependencies)
    return next((role for role in found if role is not None), None)


async def _authorize_once(request: Request, required: Role) -> None:
    if request.scope.get(_CHECKED) != required:
        await _authorize(request, required)
        request.scope[_CHECKED] = required


async def _authorize(request: Request, required: Role) -> None:
    """Checks the key and counts the request, also a refused one, against the rate limit.

    Without configured keys, and for unknown keys, the limit is that of the client's address:
    otherwise a caller could evade it by inventing keys.
    """
    context = cast(Context, request.app.state.context)
    address = request.client.host if request.client else "unknown"
    try:
        caller = await context.authenticator.identify(_sent_key(request))
    except Unauthorized:
        await context.rate_limiter.refuse(address)
        raise
    set_caller(request.scope, caller)
    set_request_origin(request, caller)
    await context.rate_limiter.accept(caller.key_id, address)
    if not caller.has_role(required):
        raise Forbidden(
            f"this API key has the role {caller.role}; use a key with the role {required}"
        )


def _sent_key(request: Request) -> str | None:
    """The API key of the X-API-Key header, else the bearer token."""
    scheme, token = get_authorization_scheme_param(request.headers.get("Authorization"))
    bearer = token if scheme.lower() == "bearer" else None
    return request.headers.get("X-API-Key") or bearer or None
