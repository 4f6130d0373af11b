"""`/v1/embeddings` and `/v1/models`, compatible with OpenAI's API."""

import base64
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.deps import Ctx
from app.api.parameters import TextModelName
from app.api.problems import describe
from app.store.db.tables import VOCABULARY
from app.texts import embeddings
from app.validation import NO_NUL
from app.vectors import Vector

router = APIRouter(route_class=AuthorizedRoute, prefix="/v1", tags=["words"])

_Text = Annotated[str, Field(min_length=1, max_length=100_000, pattern=NO_NUL)]


class EmbeddingsRequest(BaseModel):
    """`model` names a vocabulary or the sentence encoder. Other fields of OpenAI's API are accepted
    and ignored."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"model": "glove-6b-50d", "input": "orange juice"}}
    )

    input: _Text | Annotated[list[_Text], Field(min_length=1, max_length=2048)]
    model: Annotated[str, Field(min_length=1, max_length=100, pattern=NO_NUL)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int | None, Field(ge=1)] = None


class Embedding(BaseModel):
    """A unit vector: a list of numbers, or base64 of little-endian float32 if requested.

    `out_of_vocabulary` lists the words of the text that have no vector.
    """

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str
    out_of_vocabulary: list[str]


class Usage(BaseModel):
    """The number of words that were looked up."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


class TextModel(BaseModel):
    """A vocabulary, or the sentence encoder, whose `created` is 0; otherwise seconds since 1970."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["sima"] = "sima"

    @classmethod
    def of(cls, model: embeddings.TextModel) -> "TextModel":
        created = int(model.created_at.timestamp()) if model.created_at else 0
        return cls(id=model.name, created=created)


class TextModels(BaseModel):
    """What `model` of `POST /v1/embeddings` may name."""

    object: Literal["list"] = "list"
    data: list[TextModel]


@router.get("/models", responses=describe())
async def list_text_models(ctx: Ctx, caller: CurrentCaller) -> TextModels:
    """List the models of `POST /v1/embeddings` that the key may use: vocabularies and the sentence
    encoder."""
    found = await ctx.run(ctx.services.text_embedder.models)
    return TextModels(
        data=[TextModel.of(one) for one in found if caller.may_use(one.name, VOCABULARY)]
    )


@router.get("/models/{model}", responses=describe(404))
async def get_text_model(ctx: Ctx, caller: CurrentCaller, model: TextModelName) -> TextModel:
    """Return one model of `POST /v1/embeddings`."""
    caller.require_vocabulary(model)
    return TextModel.of(await ctx.run(lambda: ctx.services.text_embedder.model(model)))


@router.post("/embeddings", responses=describe(404))
async def create_embeddings(
    ctx: Ctx, caller: CurrentCaller, query: EmbeddingsRequest
) -> EmbeddingsAnswer:
    """Return one vector per text: the vector of a word, or the mean of the words' vectors."""
    caller.require_vocabulary(query.model)
    texts = [query.input] if isinstance(query.input, str) else query.input
    found = await ctx.run(
        lambda: ctx.services.text_embedder.embed(texts, query.model, query.dimensions)
    )
    words = sum(len(text.words) + len(text.unknown) for text in found)
    return EmbeddingsAnswer(
        data=[
            Embedding(
                index=index,
                embedding=_encoded(text.vector, query.encoding_format),
                out_of_vocabulary=list(text.unknown),
            )
            for index, text in enumerate(found)
        ],
        model=query.model,
        usage=Usage(prompt_tokens=words, total_tokens=words),
    )


def _encoded(vector: Vector, encoding: Literal["float", "base64"]) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()
    values: list[float] = vector.tolist()
    return values
