"""`POST /v1/embeddings` in the shape of OpenAI's API, so that its clients work unchanged."""

import base64
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import Context, Ctx, Reader
from app.api.problems import describe
from app.errors import InvalidRequest
from app.texts.encoder import ENCODER
from app.vectors import Vector
from app.words.mean_vectors import TextVector

router = APIRouter(prefix="/v1", tags=["words"])

_Text = Annotated[str, Field(min_length=1, max_length=100_000, pattern=r"^[^\x00]*$")]


class EmbeddingsRequest(BaseModel):
    """`model` names a vocabulary, or the sentence encoder. Further fields of that API are taken
    and left unused."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"model": "glove-6b-50d", "input": "orange juice"}}
    )

    input: _Text | Annotated[list[_Text], Field(min_length=1, max_length=2048)]
    model: Annotated[str, Field(min_length=1, max_length=100)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int | None, Field(ge=1)] = None


class Embedding(BaseModel):
    """Unit length; base64 of little-endian float32 where the client asks for it.

    `out_of_vocabulary` are the words of the text that no vector stands for.
    """

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str
    out_of_vocabulary: list[str]


class Usage(BaseModel):
    """Words that were looked up."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: Usage


@router.post("/embeddings", dependencies=[Reader], responses=describe(404))
async def create_embeddings(ctx: Ctx, query: EmbeddingsRequest) -> EmbeddingsAnswer:
    """A vector for every text: that of the word, or the mean of the words' vectors."""
    texts = [query.input] if isinstance(query.input, str) else query.input
    found = await ctx.run(lambda: _vectors(ctx, texts, query.model))
    has = len(found[0].vector)
    if query.dimensions not in (None, has):
        raise InvalidRequest("dimensions", f"{query.model} has {has} dimensions")
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


def _vectors(ctx: Context, texts: list[str], model: str) -> list[TextVector]:
    if model != ENCODER:
        return ctx.services.vocabularies.texts(texts, model)
    bags = ctx.services.spaces.open(model).texts(texts)
    if not all(len(bag.tokens) for bag in bags):
        raise InvalidRequest("input", "there is a text without a letter or a digit")
    return [TextVector(bag.mean(), bag.tokens, ()) for bag in bags]


def _encoded(vector: Vector, encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()
    values: list[float] = vector.tolist()
    return values
