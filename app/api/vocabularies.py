"""Vocabularies: upload one, look at it, take it away again; change single words."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from app.api.deps import Context, Ctx, Reader, Writer
from app.api.problems import describe
from app.api.schemas import words as schemas
from app.errors import InvalidRequest, UnsupportedMediaType
from app.store.collections import Collection
from app.words.formats import WRITERS
from app.words.policies import WordPolicy

router = APIRouter(prefix="/vocabularies", tags=["words"])

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


@router.get("", dependencies=[Reader], responses=describe())
async def list_vocabularies(ctx: Ctx) -> schemas.VocabularyList:
    """All vocabularies, by name."""
    found = await ctx.run(ctx.services.vocabularies.names)
    return schemas.VocabularyList(vocabularies=[_described(ctx, one) for one in found])


@router.post(
    "",
    status_code=201,
    dependencies=[Writer],
    responses=describe(409, 413, 415),
    openapi_extra=_UPLOAD,
)
async def upload_vocabulary(ctx: Ctx, request: Request) -> schemas.Vocabulary:
    """A vocabulary from a file: word2vec text or binary, GloVe text, .npy with `words`; gzip too.

    Words stand in it by falling frequency. A broken file is refused with its line, and nothing of
    it is stored.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("send the file as multipart/form-data")
    try:
        form = await request.form(max_files=2, max_fields=4, max_part_size=1_000)
    except (MultiPartException, KeyError, ValueError, AssertionError) as error:
        raise InvalidRequest("body", "the multipart body cannot be read") from error
    try:
        files = {k: v for k, v in form.multi_items() if isinstance(v, UploadFile)}
        fields = {k: v for k, v in form.multi_items() if not isinstance(v, UploadFile)}
        if len(files) + len(fields) != len(form.multi_items()):
            raise InvalidRequest("body", "a field was sent twice")
        new = schemas.NewVocabulary.model_validate(fields)
        if "file" not in files or set(files) - {"file", "words"}:
            raise InvalidRequest("file", "send the vectors as `file`, and for .npy also `words`")
        vectors = files["file"].file
        words = files["words"].file if "words" in files else None
        made = await ctx.run(
            lambda: ctx.services.editor.create(new.name, vectors, words, new.policy())
        )
    finally:
        await form.close()
    return _described(ctx, made)


@router.get("/{name}", dependencies=[Reader], responses=_ERRORS)
async def get_vocabulary(ctx: Ctx, name: str) -> schemas.Vocabulary:
    """One vocabulary."""
    return _described(ctx, await ctx.run(lambda: ctx.services.vocabularies.get(name)))


@router.delete("/{name}", status_code=204, dependencies=[Writer], responses=_ERRORS)
async def delete_vocabulary(ctx: Ctx, name: str) -> Response:
    """A vocabulary with all its words."""
    await ctx.run(lambda: ctx.services.editor.delete(name))
    return Response(status_code=204)


@router.get(
    "/{name}/export",
    dependencies=[Reader],
    responses=_ERRORS,
    response_class=StreamingResponse,
)
async def export_vocabulary(
    ctx: Ctx, name: str, format_: Annotated[ExportFormat, Query(alias="format")] = "word2vec-text"
) -> StreamingResponse:
    """All words with their unit vectors, most frequent first; for TensorBoard's projector, too."""
    assert format_ in WRITERS, "the contract names what there is"
    pieces = await ctx.run(lambda: ctx.services.editor.export(name, format_))
    return StreamingResponse(pieces, media_type=_MEDIA.get(format_, "text/plain; charset=utf-8"))


@router.put("/{name}/words/{word:path}", dependencies=[Writer], responses=_ERRORS)
async def put_word(
    ctx: Ctx, name: str, word: schemas.Text, new: schemas.NewVector, response: Response
) -> schemas.WordAnswer:
    """Set a word's vector; the next search finds it. 201 where the word is new."""
    found, fresh = await ctx.run(lambda: ctx.services.editor.put(name, word, new.vector))
    response.status_code = 201 if fresh else 200
    return schemas.WordAnswer.of(word, found, name)


@router.delete(
    "/{name}/words/{word:path}", status_code=204, dependencies=[Writer], responses=_ERRORS
)
async def delete_word(ctx: Ctx, name: str, word: schemas.Text) -> Response:
    """Forget a word; no search that starts afterwards finds it."""
    await ctx.run(lambda: ctx.services.editor.remove(name, word))
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
