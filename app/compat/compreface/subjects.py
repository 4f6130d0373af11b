"""Endpoints for subjects: the people of a gallery, identified by their name."""

from fastapi import Request, Response
from pydantic import TypeAdapter

from app.api.deps import Context, Ctx
from app.compat.compreface.answers import Deleted, Subject, Subjects, Updated, reply
from app.compat.compreface.requests import SubjectBody, body_of
from app.compat.compreface.route import collection_of, new_router
from app.errors_people import NameTaken

router = new_router()

_BODY = TypeAdapter(SubjectBody)


@router.post("/recognition/subjects")
async def add_subject(request: Request, ctx: Ctx) -> Response:
    """Create a subject without faces."""
    collection, named_people = collection_of(request), ctx.services.named_people
    name = (await body_of(request, _BODY)).subject
    await ctx.write(lambda: named_people.create(collection, name))
    return reply(Subject(subject=name), 201)


@router.get("/recognition/subjects")
async def list_subjects(request: Request, ctx: Ctx) -> Response:
    """List the names of all subjects."""
    collection, named_people = collection_of(request), ctx.services.named_people
    return reply(Subjects(subjects=await ctx.run(lambda: named_people.names(collection))))


@router.delete("/recognition/subjects")
async def delete_subjects(request: Request, ctx: Ctx) -> Response:
    """Delete all subjects with their faces."""
    collection, named_people = collection_of(request), ctx.services.named_people
    subjects, _ = await ctx.write(lambda: named_people.delete_all(collection))
    return reply(Deleted(deleted=subjects))


@router.put("/recognition/subjects/{subject:path}")
async def rename_subject(request: Request, ctx: Ctx, subject: str) -> Response:
    """Rename a subject; if the other name exists, its subject receives all faces."""
    collection = collection_of(request)
    name = (await body_of(request, _BODY)).subject
    if name == subject:
        return reply(Updated(updated=False))
    await ctx.write(lambda: _rename(ctx, collection, subject, name))
    return reply(Updated(updated=True))


@router.delete("/recognition/subjects/{subject:path}")
async def delete_subject(request: Request, ctx: Ctx, subject: str) -> Response:
    """Delete a subject with its faces."""
    collection, named_people = collection_of(request), ctx.services.named_people
    await ctx.write(lambda: named_people.delete(collection, subject))
    return reply(Subject(subject=subject))


def _rename(ctx: Context, collection: str, name: str, new_name: str) -> None:
    """Renames, or merges if the name is taken, which takes several transactions.

    Raises PersonNotFound, DifferentPerson, SpaceMismatch, InvalidRequest for an invalid name.
    """
    named_people = ctx.services.named_people
    try:
        named_people.rename(collection, name, new_name)
    except NameTaken as taken:
        for person in named_people.find(collection, name):
            ctx.services.reassigner.merge(person.person_id, taken.person_id)
