"""Requests and answers about words, as the contract names them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from app.api.schemas.base import CollectionName, Request, example
from app.store.words import Word
from app.words.neighbors import Item
from app.words.policies import Normalisation, Unknown, WordPolicy

Text = Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[^\x00]*$")]
Vector = Annotated[
    list[Annotated[float, Field(ge=-1e6, le=1e6)]], Field(min_length=1, max_length=4096)
]
Count = Annotated[int, Field(ge=1, le=1000)]


class WeightedWord(Request):
    word: Text
    weight: Annotated[float, Field(ge=-100.0, le=100.0)] = 1.0


Term = Text | WeightedWord | Vector
Terms = Annotated[list[Term], Field(max_length=100)]


def to_item(term: str | WeightedWord | list[float]) -> Item:
    """The service's form of a term."""
    if isinstance(term, str):
        return Item(term, None)
    if isinstance(term, WeightedWord):
        return Item(term.word, None, term.weight)
    return Item(None, tuple(term))


class NearestQuery(Request):
    """Of `GET /words/{word}/nearest`; the vocabulary is the default one when absent."""

    k: Count = 10
    vocabulary: CollectionName | None = None
    min_similarity: Annotated[float, Field(ge=-1.0, le=1.0)] | None = None
    max_rank: Annotated[int, Field(ge=1, le=2**31)] | None = None


class NearestRequest(NearestQuery):
    model_config = example({"positive": ["king", "woman"], "negative": ["man"], "k": 3})

    positive: Terms = []
    negative: Terms = []
    vector: Vector | None = None
    method: Literal["3cosadd", "3cosmul"] = "3cosadd"
    within: Annotated[list[Text], Field(min_length=1, max_length=1000)] | None = None
    exclude: Annotated[list[Text], Field(max_length=1000)] = []

    @model_validator(mode="after")
    def _something(self) -> "NearestRequest":
        if not self.positive and not self.negative and self.vector is None:
            raise ValueError("send positive, negative or vector")
        return self


class SimilarityRequest(Request):
    model_config = example({"pairs": [["cat", "dog"], ["cat", "tax"]]})

    pairs: Annotated[list[tuple[Text, Text]], Field(min_length=1, max_length=1000)] | None = None
    words: Annotated[list[Text], Field(min_length=1, max_length=200)] | None = None
    vocabulary: CollectionName | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "SimilarityRequest":
        if (self.pairs is None) == (self.words is None):
            raise ValueError("send either pairs or words")
        return self


class OddOneOutRequest(Request):
    model_config = example({"words": ["breakfast", "cereal", "dinner", "engine"]})

    words: Annotated[list[Text], Field(min_length=3, max_length=200)]
    vocabulary: CollectionName | None = None


class NewVocabulary(Request):
    """The fields beside the files of an upload."""

    name: CollectionName
    unknown: Unknown = "error"
    normalisation: Normalisation = "none"

    def policy(self) -> WordPolicy:
        """As the service takes it."""
        return WordPolicy(self.unknown, self.normalisation)


class NewVector(Request):
    """Any length but zero; it is stored with unit length."""

    model_config = example({"vector": [0.1, -0.2, 0.3]})

    vector: Vector


class WordAnswer(BaseModel):
    """`vector` has unit length; `canonical` is the spelling that the vocabulary holds."""

    word: str
    canonical: str
    rank: int
    in_vocabulary: bool
    vector: list[float]
    vocabulary: str

    @classmethod
    def of(cls, asked: str, found: Word, vocabulary: str) -> "WordAnswer":
        return cls(
            word=asked,
            canonical=found.text,
            rank=found.rank,
            in_vocabulary=True,
            vector=found.vector.tolist(),
            vocabulary=vocabulary,
        )


class Neighbor(BaseModel):
    """`score` is present where the answers are sorted by something else than similarity."""

    word: str
    similarity: float
    rank: int
    score: float | None = None


class Neighbors(BaseModel):
    """`word` is null where the question was not one word.

    `canonical` gives for each word of the question the spelling that the vocabulary holds; null
    where the vocabulary skips unknown words.
    """

    word: str | None
    neighbors: list[Neighbor]
    canonical: dict[str, str | None]
    vocabulary: str


class Similarities(BaseModel):
    """One cosine a pair, or the square matrix of all words; null for what was skipped."""

    similarities: list[float | None] | list[list[float | None]]
    canonical: dict[str, str | None]


class OddOneOut(BaseModel):
    """`similarities` to the mean of all, in the order of the words sent; null for skipped ones."""

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
