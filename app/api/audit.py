"""Records decisions in the audit log before the client receives them."""

import asyncio
from collections.abc import Sequence

from fastapi import Request

from app.api.access_log import note_collection
from app.api.callers import Caller
from app.api.deps import Context
from app.audit_events import AuditEvent, Origin, set_origin
from app.logs import get_logger

_WAIT_SECONDS = 1.0
_log = get_logger(__name__)


def set_request_origin(request: Request, caller: Caller) -> None:
    """Makes the caller and the request the origin of what the request records."""
    address = request.client.host if request.client else None
    set_origin(Origin(caller.key_id, address, request.scope["request_id"]))


async def record_decisions(request: Request, ctx: Context, events: Sequence[AuditEvent]) -> None:
    """Returns when the events are stored.

    While the database cannot be written, it returns after a second all the same, and the events
    follow later. Raises Overloaded if too many of them wait.
    """
    for event in events:
        note_collection(request, event.collection)
    stored = ctx.services.audit.put(events)
    if stored.done():
        return
    _, delayed = await asyncio.wait({asyncio.wrap_future(stored)}, timeout=_WAIT_SECONDS)
    if delayed:
        _log.warning("audit_delayed", request_id=request.scope["request_id"])
