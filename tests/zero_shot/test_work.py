"""The estimated work of a request: what is allowed, and what is refused before it is done."""

from typing import Any

import pytest

from app.errors import InvalidRequest
from app.texts.space import Label, TokenVectors
from app.zero_shot.classifier import Classifier, ScoringTask, attribute_signatures
from app.zero_shot.labels import LabelEmbedder
from app.zero_shot.scoring_work import require_affordable_scoring
from tests.zero_shot.examples import CountingSpace, tokens


class WordSpace(CountingSpace):
    """A space with the work and the background texts of a vocabulary of 50 dimensions."""

    work_per_word, work_per_text = 2_500, 0

    def __init__(self) -> None:
        super().__init__()
        self.background_fit: Any = None

    def background(self) -> list[TokenVectors]:
        return [tokens(*[[1.0, 0.0]] * 12)] * 200


class EncoderSpace(CountingSpace):
    """A space with the work of a sentence encoder."""

    work_per_word, work_per_text = 75_000, 600_000


def labels(number: int, **more: Any) -> tuple[Label, ...]:
    """Different labels of one word."""
    return tuple(Label(f"w{n}", **more) for n in range(number))


def words(number: int) -> str:
    return " ".join(["word"] * number)


ALLOWED = {
    "5,000 labels": ([words(20)], ScoringTask(labels(5_000))),
    "5,000 labels and a long text": ([words(4_000)], ScoringTask(labels(5_000))),
    "64 texts and 2,000 labels": ([words(20)] * 64, ScoringTask(labels(2_000))),
    "an explanation with 1,000 labels": ([words(64)], ScoringTask(labels(1_000), explain=True)),
    "background texts": ([words(20)], ScoringTask(labels(100), background=(words(12),) * 500)),
}
REFUSED = {
    "an explanation with 5,000 labels": ([words(64)], ScoringTask(labels(5_000), explain=True)),
    "64 texts and 5,000 labels": ([words(20)] * 64, ScoringTask(labels(5_000))),
    "64 long texts": ([words(4_000)] * 64, ScoringTask(labels(2))),
    "background texts with 5,000 labels": (
        [words(20)],
        ScoringTask(labels(5_000), background=(words(20),) * 500),
    ),
    "an explanation with background texts": (
        [words(64)],
        ScoringTask(labels(200), background=(words(12),) * 500, explain=True),
    ),
    "attributes of many alternatives": (
        ["word"],
        ScoringTask(
            (Label("/".join("a" * 200), attributes={f"a{n}": 1.0 for n in range(200)}),),
            explain=True,
        ),
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_ordinary_requests_are_allowed(name: str) -> None:
    require_affordable_scoring(WordSpace(), *ALLOWED[name])


@pytest.mark.parametrize("name", REFUSED)
def test_requests_that_take_many_seconds_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="at most"):
        require_affordable_scoring(WordSpace(), *REFUSED[name])


def test_an_encoder_embeds_fewer_texts() -> None:
    space = EncoderSpace()
    require_affordable_scoring(space, [words(20)] * 64, ScoringTask(labels(5)))
    with pytest.raises(InvalidRequest, match="at most"):
        require_affordable_scoring(space, [words(250)] * 64, ScoringTask(labels(5)))


def test_new_labels_are_limited_and_known_labels_are_not() -> None:
    embedder, space = LabelEmbedder(), EncoderSpace()
    many = labels(2_000)
    with pytest.raises(InvalidRequest, match="at most 600,000,000"):
        embedder.embed(space, many)
    assert space.embedded == 0
    for start in range(0, 2_000, 500):
        embedder.embed(space, many[start : start + 500])
    assert len(embedder.embed(space, many).owners) == 2_000


@pytest.mark.parametrize(
    "label",
    [
        Label("/".join("a" * 11_000)),
        Label("a", attributes={"x" * 400_000: 1.0}),
        Label("/".join("a" * 200), description="x" * 4_000),
    ],
    ids=["alternatives", "attributes", "description of each alternative"],
)
def test_labels_of_many_words_are_refused_before_they_are_read(label: Label) -> None:
    space = CountingSpace()
    with pytest.raises(InvalidRequest, match="at most"):
        LabelEmbedder().embed(space, [label])
    assert space.embedded == 0


def test_a_table_of_too_many_attributes_is_refused() -> None:
    many = [
        Label(f"w{n}", attributes={f"a{n * 10 + k}": 1.0 for k in range(10)}) for n in range(800)
    ]
    with pytest.raises(InvalidRequest, match="at most 5,000,000"):
        attribute_signatures(many)


def test_many_labels_are_classified_without_merging_them_again_for_each() -> None:
    """5,000 cached labels took a second, because a table was copied for each of them."""
    space, classifier = CountingSpace(), Classifier(LabelEmbedder())
    task = ScoringTask(labels(5_000))
    classifier.classify_text(space, "aa", task)
    assert len(classifier.classify_text(space, "aaa", task).labels) == 5_000
    assert space.embedded == 5_000
