"""Identifies the caller of an operation by the signature of the request, and checks its rights."""

import hmac
from datetime import UTC, datetime
from ipaddress import ip_address

from fastapi import Request

from app.access_keys import RekognitionKey
from app.api.access_log import note_collection
from app.api.audit import set_request_origin
from app.api.callers import ANYBODY, Caller, caller_of, set_caller
from app.api.deps import Context
from app.api.route_table import Access
from app.compat.rekognition.failures import RekognitionError
from app.compat.rekognition.signatures import Signature, SignedRequest

_VERIFIED_IN_THREAD = 64_000  # bytes from which the digest of a body would delay other requests


async def authorize(request: Request, ctx: Context, access: Access) -> None:
    """Identifies the caller and checks its role. Reads the body only after a signature whose other
    parts are valid.

    Raises RekognitionError, Forbidden, RateLimited.
    """
    address = request.client.host if request.client else "unknown"
    try:
        caller = await _identify(request, ctx, address)
    except RekognitionError:
        await ctx.rate_limiter.refuse(address)
        raise
    set_caller(request.scope, caller)
    set_request_origin(request, caller)
    await ctx.rate_limiter.accept(caller.key_id, address)
    assert access.role is not None, "every operation requires a role"
    caller.require_role(access.role)


def require_collection(request: Request, name: str) -> str:
    """The name of the collection. Raises OutOfScope for a key of other collections."""
    caller_of(request).require_collection(name)
    note_collection(request, name)
    return name


async def _identify(request: Request, ctx: Context, address: str) -> Caller:
    keys = ctx.services.settings.rekognition_keys
    if not keys and not await ctx.authenticator.requires_keys():
        if _is_loopback(address):
            return ANYBODY
        raise RekognitionError(
            "AccessDeniedException",
            "without SIMA_REKOGNITION_KEYS this API answers clients on the same machine only; set "
            "the variable to access keys and secrets",
        )
    headers = {name.lower(): value for name, value in request.headers.items()}
    signature = Signature.parse(headers)
    signature.check(headers, datetime.now(UTC))
    key = _find_key(keys, signature.access_key)
    if key is None:
        raise RekognitionError(
            "UnrecognizedClientException",
            "the access key is unknown; use one of SIMA_REKOGNITION_KEYS",
        )
    signed = SignedRequest(request.method, _path(request), request.url.query, headers)
    body, secret = await request.body(), key.secret.get_secret_value()
    if len(body) < _VERIFIED_IN_THREAD:
        signature.verify(signed, body, secret)
    else:
        await ctx.parse(lambda: signature.verify(signed, body, secret))
    return Caller(
        key_id=f"rekognition-{signature.access_key}",
        role=key.role,
        collections=key.collections,
        vocabularies=None if key.collections is None else frozenset(),
    )


def _find_key(keys: dict[str, RekognitionKey], access_key: str) -> RekognitionKey | None:
    found = None
    for known, key in keys.items():  # no early exit: the duration must not depend on the key
        if hmac.compare_digest(known.encode(), access_key.encode()):
            found = key
    return found


def _path(request: Request) -> str:
    """The path that the client has signed: a proxy has removed the root path."""
    return f"{request.scope.get('root_path', '')}/"


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
