"""Checks the scope of a caller's key where the request names a person or a collection."""

from app.api.callers import Caller
from app.api.deps import Context
from app.errors_access import OutOfScope


async def require_person(ctx: Context, caller: Caller, person_id: str) -> None:
    """Raises OutOfScope unless the key may use the person's collection, PersonNotFound."""
    if caller.collections is None:
        return
    person = await ctx.run(lambda: ctx.services.galleries.person(person_id))
    if person.collection not in caller.collections:
        raise OutOfScope(
            "the person is in a collection that this API key may not use; use another key"
        )


async def require_named(ctx: Context, caller: Caller, name: str) -> None:
    """Raises OutOfScope unless the key may use the collection, a gallery or a vocabulary.

    A restricted key does not learn whether another name exists.
    """
    if not caller.is_restricted:
        return
    found = await ctx.run(ctx.services.galleries.collections)
    kinds = {collection.name: collection.kind for collection in found}
    caller.require_name(name, kinds.get(name))
