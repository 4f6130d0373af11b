"""Request and response models for words and vocabularies."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from app.api.schemas.base import CollectionName, Request, VocabularyField, example
from app.store.words import Word
from app.words.analogies import Term
from app.words.maps import WordMap
from app.words.neighbors import Filters
from app.words.policies import Normalisation, Unknown, WordPolicy
from app.words.vocabularies import NearestWords

Text = Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[^\x00]*$")]
Vector = Annotated[
    list[Annotated[float, Field(ge=-1e6, le=1e6)]], Field(min_length=1, max_length=4096)
]
Count = Annotated[int, Field(ge=1, le=1000)]


class WeightedWord(Request):
    word: Text
    weight: Annotated[float, Field(ge=-100.0, le=100.0)] = 1.0


TermField = Text | WeightedWord | Vector
TermFields = Annotated[list[TermField], Field(max_length=100)]


def to_term(term: str | WeightedWord | list[float]) -> Term:
    """The term as the service takes it."""
    if isinstance(term, str):
        return Term(term)
    if isinstance(term, WeightedWord):
        return Term(term.word, weight=term.weight)
    return Term(vector=tuple(term))


class NearestQuery(Request):
    """The query parameters of `GET /words/{word}/nearest`; `vocabulary` is the default vocabulary
    if absent."""

    k: Annotated[Count, Field(description="The number of words to return.", examples=[10])] = 10
    vocabulary: VocabularyField = None
    min_similarity: Annotated[
        Annotated[float, Field(ge=-1.0, le=1.0)] | None,
        Field(description="The lowest cosine of a returned word.", examples=[0.5]),
    ] = None
    max_rank: Annotated[
        Annotated[int, Field(ge=1, le=2**31 - 1)] | None,
        Field(description="Only the most frequent words, up to this rank.", examples=[20_000]),
    ] = None

    def filters(self) -> Filters:
        """The filters as the service takes them."""
        return Filters(self.k, self.min_similarity, self.max_rank)


class CompletionQuery(Request):
    """The query parameters of `GET /words`."""

    prefix: Annotated[
        Text, Field(description="How the words begin.", examples=["oran"], max_length=100)
    ]
    limit: Annotated[
        int, Field(ge=1, le=50, description="The number of words to return.", examples=[10])
    ] = 10
    vocabulary: VocabularyField = None


class MapQuery(Request):
    """The query parameters of `GET /words/{word}/map`."""

    k: Annotated[
        int, Field(ge=2, le=200, description="The number of words around the word.", examples=[60])
    ] = 60
    vocabulary: VocabularyField = None


class NearestRequest(NearestQuery):
    """At least one term is required: in `positive`, `negative` or as `vector`, which is a positive
    term."""

    model_config = example({"positive": ["king", "woman"], "negative": ["man"], "k": 3})

    positive: TermFields = []
    negative: TermFields = []
    vector: Vector | None = None
    method: Literal["3cosadd", "3cosmul"] = "3cosadd"
    within: Annotated[list[Text], Field(min_length=1, max_length=1000)] | None = None
    exclude: Annotated[list[Text], Field(max_length=1000)] = []

    @model_validator(mode="after")
    def _require_a_term(self) -> "NearestRequest":
        if not self.positive and not self.negative and self.vector is None:
            raise ValueError("at least one of positive, negative and vector is required")
        return self

    def positive_terms(self) -> list[Term]:
        """The positive terms as the service takes them, `vector` last."""
        terms = [to_term(term) for term in self.positive]
        return terms if self.vector is None else [*terms, Term(vector=tuple(self.vector))]

    def negative_terms(self) -> list[Term]:
        """The negative terms as the service takes them."""
        return [to_term(term) for term in self.negative]

    def filters(self) -> Filters:
        """The filters as the service takes them."""
        within = tuple(self.within) if self.within is not None else None
        return Filters(self.k, self.min_similarity, self.max_rank, within, tuple(self.exclude))


class SimilarityRequest(Request):
    """Exactly one of `pairs` and `words` is required."""

    model_config = example({"pairs": [["cat", "dog"], ["cat", "tax"]]})

    pairs: Annotated[list[tuple[Text, Text]], Field(min_length=1, max_length=1000)] | None = None
    words: Annotated[list[Text], Field(min_length=1, max_length=200)] | None = None
    vocabulary: VocabularyField = None

    @model_validator(mode="after")
    def _require_one(self) -> "SimilarityRequest":
        if (self.pairs is None) == (self.words is None):
            sent = "neither" if self.pairs is None else "both"
            raise ValueError(f"exactly one of pairs and words is required; {sent} was sent")
        return self


class OddOneOutRequest(Request):
    model_config = example({"words": ["breakfast", "cereal", "dinner", "engine"]})

    words: Annotated[list[Text], Field(min_length=3, max_length=200)]
    vocabulary: VocabularyField = None


class NewVocabulary(Request):
    """The form fields of a vocabulary upload, without the files."""

    name: CollectionName
    unknown: Unknown = "error"
    normalisation: Normalisation = "none"

    def policy(self) -> WordPolicy:
        """The policy as the service takes it."""
        return WordPolicy(self.unknown, self.normalisation)


class NewVector(Request):
    """A vector with at least one component other than zero; it is stored at unit length."""

    model_config = example({"vector": [0.1, -0.2, 0.3]})

    vector: Vector


class WordAnswer(BaseModel):
    """`vector` has unit length; `canonical` is the spelling in the vocabulary."""

    word: str
    canonical: str
    rank: int
    in_vocabulary: bool
    vector: list[float]
    vocabulary: str

    @classmethod
    def of(cls, requested: str, found: Word, vocabulary: str) -> "WordAnswer":
        return cls(
            word=requested,
            canonical=found.text,
            rank=found.rank,
            in_vocabulary=True,
            vector=found.vector.tolist(),
            vocabulary=vocabulary,
        )


class Neighbor(BaseModel):
    """`score` is present where results are ordered by another measure than similarity."""

    word: str
    similarity: float
    rank: int
    score: float | None = None


class Neighbors(BaseModel):
    """`word` is null unless the query was a single word.

    `canonical` maps each word of the query to its spelling in the vocabulary, or to null where the
    vocabulary skips unknown words.
    """

    word: str | None
    neighbors: list[Neighbor]
    canonical: dict[str, str | None]
    vocabulary: str

    @classmethod
    def of(cls, word: str | None, found: NearestWords, vocabulary: str) -> "Neighbors":
        neighbors = [
            Neighbor(
                word=neighbor.word,
                similarity=min(neighbor.similarity, 1.0),
                rank=neighbor.rank,
                score=neighbor.score,
            )
            for neighbor in found.neighbors
        ]
        return cls(word=word, neighbors=neighbors, canonical=found.canonical, vocabulary=vocabulary)


class Completion(BaseModel):
    word: str
    rank: int


class Completions(BaseModel):
    """Words that begin with the prefix, most frequent first, among the 50,000 most frequent."""

    words: list[Completion]
    vocabulary: str


class MapPoint(BaseModel):
    """A word at a position in the plane; `similarity` is that to the word of the request."""

    word: str
    rank: int
    similarity: float
    x: float
    y: float


class WordMapOut(BaseModel):
    """The word of the request, as the vocabulary spells it, and the words nearest to it.

    The plane is that of the two principal components of their unit vectors; `explained_variance`
    are the shares of the variance along x and y. The first point is the word itself.
    """

    points: list[MapPoint]
    explained_variance: tuple[float, float]
    vocabulary: str

    @classmethod
    def of(cls, found: WordMap, vocabulary: str) -> "WordMapOut":
        points = [
            MapPoint(
                word=one.word, rank=one.rank, similarity=min(one.similarity, 1.0), x=one.x, y=one.y
            )
            for one in found.points
        ]
        return cls(
            points=points, explained_variance=found.explained_variance, vocabulary=vocabulary
        )


class Similarities(BaseModel):
    """One cosine per pair, or the square matrix of all words; null for skipped words."""

    similarities: list[float | None] | list[list[float | None]]
    canonical: dict[str, str | None]


class OddOneOut(BaseModel):
    """`similarities` of each word to the mean of all, in request order; null for skipped words."""

    word: str
    similarities: list[float | None]
    canonical: dict[str, str | None]


class Vocabulary(BaseModel):
    name: str
    words: int
    dimension: int
    model: str
    default: bool
    unknown: Unknown
    normalisation: Normalisation
    created_at: datetime


class VocabularyList(BaseModel):
    vocabularies: list[Vocabulary]
