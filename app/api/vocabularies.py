"""Endpoints for vocabularies: upload, list, export and delete; set and delete single words."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.deps import Context, Ctx
from app.api.parameters import VocabularyPath, WordPath
from app.api.problems import describe
from app.api.schemas import words as schemas
from app.api.streaming import stream
from app.errors import InvalidRequest, UnsupportedMediaType
from app.store.collections import Collection
from app.words.policies import WordPolicy
from app.words.writers import WRITERS

router = APIRouter(route_class=AuthorizedRoute, prefix="/vocabularies", tags=["words"])

_ERRORS = describe(404)
_FILE = {"type": "string", "format": "binary"}
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["file", "name"],
                    "properties": {
                        "file": _FILE,
                        "words": _FILE,
                        **schemas.NewVocabulary.model_json_schema()["properties"],
                    },
                }
            }
        },
    }
}
_MEDIA = {"word2vec-binary": "application/octet-stream"}
ExportFormat = Literal["word2vec-text", "word2vec-binary", "projector-vectors", "projector-words"]

FormatQuery = Annotated[
    ExportFormat,
    Query(alias="format", description="The format of the file.", examples=["word2vec-text"]),
]


@router.get("", responses=describe())
async def list_vocabularies(ctx: Ctx, caller: CurrentCaller) -> schemas.VocabularyList:
    """List the vocabularies that the key may use, ordered by name."""
    found = await ctx.run(ctx.services.vocabularies.list_all)
    return schemas.VocabularyList(
        vocabularies=[_described(ctx, v) for v in found if caller.may_use(v.name, v.kind)]
    )


@router.post(
    "",
    status_code=201,
    responses=describe(409, 413, 415),
    openapi_extra=_UPLOAD,
)
async def upload_vocabulary(
    ctx: Ctx, caller: CurrentCaller, request: Request
) -> schemas.Vocabulary:
    """Create a vocabulary from a vector file, most frequent words first.

    Formats: word2vec text or binary, GloVe text, or .npy with the word list `words`; each may be
    compressed by gzip. For an invalid file, the error names the line and nothing is stored.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("Content-Type must be multipart/form-data")
    try:
        form = await request.form(max_files=2, max_fields=4, max_part_size=1_000)
    except (MultiPartException, KeyError, ValueError, AssertionError) as error:
        raise InvalidRequest(
            "body",
            "the body is not valid multipart/form-data, or has more than 2 files or 4 fields",
        ) from error
    try:
        files = {k: v for k, v in form.multi_items() if isinstance(v, UploadFile)}
        fields = {k: v for k, v in form.multi_items() if not isinstance(v, UploadFile)}
        if len(files) + len(fields) != len(form.multi_items()):
            raise InvalidRequest("body", "the body has a field twice; each is allowed once")
        new = schemas.NewVocabulary.model_validate(fields)
        caller.require_vocabulary(new.name)
        if "file" not in files or set(files) - {"file", "words"}:
            sent = ", ".join(sorted(files)) or "none"
            raise InvalidRequest(
                "file", f"files sent: {sent}; file is required, words is allowed for .npy"
            )
        vectors = files["file"].file
        words = files["words"].file if "words" in files else None
        created = await ctx.write(
            lambda: ctx.services.editor.create(new.name, vectors, words, new.policy())
        )
    finally:
        await form.close()
    return _described(ctx, created)


@router.get("/{name}", responses=_ERRORS)
async def get_vocabulary(
    ctx: Ctx, caller: CurrentCaller, name: VocabularyPath
) -> schemas.Vocabulary:
    """Return one vocabulary."""
    caller.require_vocabulary(name)
    return _described(ctx, await ctx.run(lambda: ctx.services.vocabularies.get(name)))


@router.delete("/{name}", status_code=204, responses=_ERRORS)
async def delete_vocabulary(ctx: Ctx, caller: CurrentCaller, name: VocabularyPath) -> Response:
    """Delete a vocabulary with all its words."""
    caller.require_vocabulary(name)
    await ctx.write(lambda: ctx.services.editor.delete(name))
    return Response(status_code=204)


@router.get(
    "/{name}/export",
    responses=_ERRORS,
    response_class=StreamingResponse,
)
async def export_vocabulary(
    ctx: Ctx, caller: CurrentCaller, name: VocabularyPath, format_: FormatQuery = "word2vec-text"
) -> StreamingResponse:
    """Export all words with their unit vectors, most frequent first.

    The projector formats are for TensorBoard's embedding projector. If words are deleted during
    the export, the response ends without its last chunk; export again.
    """
    caller.require_vocabulary(name)
    assert format_ in WRITERS, "ExportFormat lists the writers"
    pieces = await ctx.write(lambda: ctx.services.editor.export(name, format_))
    media_type = _MEDIA.get(format_, "text/plain; charset=utf-8")
    return StreamingResponse(stream(ctx, pieces), media_type=media_type)


@router.put("/{name}/words/{word:path}", responses=_ERRORS)
async def put_word(
    ctx: Ctx,
    caller: CurrentCaller,
    name: VocabularyPath,
    word: WordPath,
    new: schemas.NewVector,
    response: Response,
) -> schemas.WordAnswer:
    """Set the vector of a word: 201 for a new word, 200 otherwise. The next search finds it."""
    caller.require_vocabulary(name)
    found, is_new = await ctx.write(lambda: ctx.services.editor.put_word(name, word, new.vector))
    response.status_code = 201 if is_new else 200
    return schemas.WordAnswer.of(word, found, name)


@router.delete("/{name}/words/{word:path}", status_code=204, responses=_ERRORS)
async def delete_word(
    ctx: Ctx, caller: CurrentCaller, name: VocabularyPath, word: WordPath
) -> Response:
    """Delete a word; no search that starts after the response finds it."""
    caller.require_vocabulary(name)
    await ctx.write(lambda: ctx.services.editor.delete_word(name, word))
    return Response(status_code=204)


def _described(ctx: Context, vocabulary: Collection) -> schemas.Vocabulary:
    policy = WordPolicy.of(vocabulary.options)
    return schemas.Vocabulary(
        name=vocabulary.name,
        words=vocabulary.size,
        dimension=vocabulary.space.dimension,
        model=vocabulary.space.name,
        default=vocabulary.name == ctx.services.settings.default_vocabulary,
        unknown=policy.unknown,
        normalisation=policy.normalisation,
        created_at=vocabulary.created_at,
    )
