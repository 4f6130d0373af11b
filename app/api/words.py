"""Words: vectors, neighbors, analogies, similarities."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.deps import Context, Ctx, Reader, RequestTimings
from app.api.problems import describe
from app.api.schemas import words as schemas
from app.words.neighbors import Filters, Item, NearWords

router = APIRouter(tags=["words"])

_ERRORS = describe(404)


@router.get("/words/{word}", dependencies=[Reader], responses=_ERRORS)
async def get_word(ctx: Ctx, word: str, vocabulary: str | None = None) -> schemas.WordAnswer:
    """A word's vector and its rank by frequency."""
    name = _vocabulary(ctx, vocabulary)
    found = await ctx.run(lambda: ctx.services.vocabularies.lookup(word, name))
    return schemas.WordAnswer.of(word, found, name)


@router.get("/words/{word}/nearest", dependencies=[Reader], responses=_ERRORS)
async def nearest_to_word(
    ctx: Ctx, timings: RequestTimings, word: str, query: Annotated[schemas.NearestQuery, Query()]
) -> schemas.Neighbors:
    """The words nearest to one word, without itself."""
    name = _vocabulary(ctx, query.vocabulary)
    filters = Filters(query.k, query.min_similarity, query.max_rank)

    def work() -> NearWords:
        with timings.stage("search"):
            return ctx.services.vocabularies.nearest(
                [Item(word, None)], [], "3cosadd", filters, name
            )

    return _neighbors(word, await ctx.run(work), name)


@router.post("/words/nearest", dependencies=[Reader], responses=_ERRORS)
async def nearest(
    ctx: Ctx, timings: RequestTimings, query: schemas.NearestRequest
) -> schemas.Neighbors:
    """Words near a weighted sum: *king* - *man* + *woman*."""
    name = _vocabulary(ctx, query.vocabulary)
    positive = [schemas.to_item(term) for term in query.positive]
    if query.vector is not None:
        positive.append(Item(None, tuple(query.vector)))
    negative = [schemas.to_item(term) for term in query.negative]
    filters = Filters(
        query.k,
        query.min_similarity,
        query.max_rank,
        tuple(query.within) if query.within is not None else None,
        tuple(query.exclude),
    )

    def work() -> NearWords:
        with timings.stage("search"):
            return ctx.services.vocabularies.nearest(
                positive, negative, query.method, filters, name
            )

    return _neighbors(None, await ctx.run(work), name)


@router.post("/words/similarity", dependencies=[Reader], responses=_ERRORS)
async def similarity(ctx: Ctx, query: schemas.SimilarityRequest) -> schemas.Similarities:
    """Cosines of pairs, or of all words with all."""
    name, service = _vocabulary(ctx, query.vocabulary), ctx.services.vocabularies
    if query.pairs is not None:
        pairs = query.pairs
        values, canonical = await ctx.run(lambda: service.similarities(pairs, name))
        return schemas.Similarities(similarities=values, canonical=canonical)
    words = query.words or []
    square, canonical = await ctx.run(lambda: service.matrix(words, name))
    return schemas.Similarities(similarities=square, canonical=canonical)


@router.post("/words/odd-one-out", dependencies=[Reader], responses=_ERRORS)
async def odd_one_out(ctx: Ctx, query: schemas.OddOneOutRequest) -> schemas.OddOneOut:
    """The word that fits the others least."""
    name = _vocabulary(ctx, query.vocabulary)
    found = await ctx.run(lambda: ctx.services.vocabularies.odd_one_out(query.words, name))
    return schemas.OddOneOut(
        word=found.word, similarities=found.similarities, canonical=found.canonical
    )


def _vocabulary(ctx: Context, name: str | None) -> str:
    return name or ctx.services.settings.default_vocabulary


def _neighbors(word: str | None, found: NearWords, vocabulary: str) -> schemas.Neighbors:
    rows = [
        schemas.Neighbor(word=n.word, similarity=min(n.similarity, 1.0), rank=n.rank, score=n.score)
        for n in found.neighbors
    ]
    return schemas.Neighbors(
        word=word, neighbors=rows, canonical=found.canonical, vocabulary=vocabulary
    )
