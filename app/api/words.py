"""Endpoints for words: vectors, neighbors, analogies and similarities."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.authorization import AuthorizedRoute, CurrentCaller
from app.api.callers import Caller
from app.api.deps import Context, Ctx, RequestTimings
from app.api.parameters import RequestedWord, VocabularyQuery
from app.api.problems import describe
from app.api.schemas import words as schemas
from app.words.analogies import Term
from app.words.maps import WordMap
from app.words.vocabularies import NearestWords

router = APIRouter(route_class=AuthorizedRoute, tags=["words"])

_ERRORS = describe(404)


@router.get("/words", responses=_ERRORS)
async def complete_word(
    ctx: Ctx, caller: CurrentCaller, query: Annotated[schemas.CompletionQuery, Query()]
) -> schemas.Completions:
    """Return words that begin with a prefix, most frequent first."""
    name = _vocabulary(ctx, caller, query.vocabulary)
    service = ctx.services.vocabularies
    found = await ctx.run(lambda: service.complete(query.prefix, query.limit, name))
    words = [schemas.Completion(word=word, rank=rank) for word, rank in found]
    return schemas.Completions(words=words, vocabulary=name)


@router.get("/words/{word}", responses=_ERRORS)
async def get_word(
    ctx: Ctx, caller: CurrentCaller, word: RequestedWord, vocabulary: VocabularyQuery = None
) -> schemas.WordAnswer:
    """Return the vector of a word and its rank by frequency."""
    name = _vocabulary(ctx, caller, vocabulary)
    found = await ctx.run(lambda: ctx.services.vocabularies.lookup(word, name))
    return schemas.WordAnswer.of(word, found, name)


@router.get("/words/{word}/nearest", responses=_ERRORS)
async def nearest_to_word(
    ctx: Ctx,
    caller: CurrentCaller,
    timings: RequestTimings,
    word: RequestedWord,
    query: Annotated[schemas.NearestQuery, Query()],
) -> schemas.Neighbors:
    """Return the words nearest to one word, without the word itself."""
    name = _vocabulary(ctx, caller, query.vocabulary)

    def work() -> NearestWords:
        with timings.stage("search"):
            return ctx.services.vocabularies.nearest(
                [Term(word)], [], "3cosadd", query.filters(), name
            )

    return schemas.Neighbors.of(word, await ctx.run(work), name)


@router.get("/words/{word}/map", responses=_ERRORS)
async def map_around_word(
    ctx: Ctx,
    caller: CurrentCaller,
    timings: RequestTimings,
    word: RequestedWord,
    query: Annotated[schemas.MapQuery, Query()],
) -> schemas.WordMapOut:
    """Return the words around a word as points in the plane of their principal components."""
    name = _vocabulary(ctx, caller, query.vocabulary)

    def work() -> WordMap:
        with timings.stage("search"):
            return ctx.services.vocabularies.map(word, query.k, name)

    return schemas.WordMapOut.of(await ctx.run(work), name)


@router.post("/words/nearest", responses=_ERRORS)
async def nearest_words(
    ctx: Ctx, caller: CurrentCaller, timings: RequestTimings, query: schemas.NearestRequest
) -> schemas.Neighbors:
    """Return the words nearest to a weighted sum of words, such as *king* - *man* + *woman*."""
    name = _vocabulary(ctx, caller, query.vocabulary)

    def work() -> NearestWords:
        with timings.stage("search"):
            return ctx.services.vocabularies.nearest(
                query.positive_terms(), query.negative_terms(), query.method, query.filters(), name
            )

    return schemas.Neighbors.of(None, await ctx.run(work), name)


@router.post("/words/similarity", responses=_ERRORS)
async def word_similarity(
    ctx: Ctx, caller: CurrentCaller, query: schemas.SimilarityRequest
) -> schemas.Similarities:
    """Return the cosine similarity of each pair, or of all words with all words."""
    name, service = _vocabulary(ctx, caller, query.vocabulary), ctx.services.vocabularies
    if query.pairs is not None:
        pairs = query.pairs
        found = await ctx.run(lambda: service.pair_similarities(pairs, name))
        return schemas.Similarities(similarities=found.values, canonical=found.canonical)
    words = query.words or []
    matrix = await ctx.run(lambda: service.similarity_matrix(words, name))
    return schemas.Similarities(similarities=matrix.rows, canonical=matrix.canonical)


@router.post("/words/odd-one-out", responses=_ERRORS)
async def odd_one_out(
    ctx: Ctx, caller: CurrentCaller, query: schemas.OddOneOutRequest
) -> schemas.OddOneOut:
    """Return the word that is least similar to the mean of all words."""
    name = _vocabulary(ctx, caller, query.vocabulary)
    found = await ctx.run(lambda: ctx.services.vocabularies.odd_one_out(query.words, name))
    return schemas.OddOneOut(
        word=found.word, similarities=found.similarities, canonical=found.canonical
    )


def _vocabulary(ctx: Context, caller: Caller, name: str | None) -> str:
    """The vocabulary of a request. Raises OutOfScope."""
    name = name or ctx.services.settings.default_vocabulary
    caller.require_vocabulary(name)
    return name
