"""Explains a classification by leaving out one word or one attribute at a time."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from app.errors import InvalidRequest
from app.texts.space import TextSpace, TokenVectors
from app.zero_shot.classifier import Classification, Classifier, ScoringTask
from app.zero_shot.evidence import TextEvidence

MAX_EXPLAINED = 64  # words of the text, and attributes of the label


@dataclass(frozen=True, slots=True)
class Effect:
    """The decrease of the best label's evidence without a word or attribute; may be negative."""

    name: str
    effect: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The effects of the text's words and of the best label's attributes, strongest first."""

    label: str
    words: tuple[Effect, ...]
    attributes: tuple[Effect, ...]


def explain(
    classifier: Classifier,
    space: TextSpace,
    text: str,
    task: ScoringTask,
    classification: Classification,
) -> Explanation:
    """Explain the classification of a text; runs one more classification per word and attribute."""
    [tokens] = space.texts([text])
    best = classification.labels[0]

    def evidence(tokens: TokenVectors, task: ScoringTask) -> float:
        found = classifier.classify(space, TextEvidence(tokens), task)
        return found.evidence[found.labels.index(best)]

    def effect(name: str, tokens: TokenVectors, task: ScoringTask) -> Effect:
        return Effect(name, classification.evidence[0] - evidence(tokens, task))

    words = [effect(word, rest, task) for word, rest in _texts_without_a_word(space, text)]
    attributes = []
    for name, reduced in _tasks_without_an_attribute(task, best):
        with suppress(InvalidRequest):  # no known word or attribute remains
            attributes.append(effect(name, tokens, reduced))
    return Explanation(best, _strongest(words), _strongest(attributes))


def _texts_without_a_word(space: TextSpace, text: str) -> list[tuple[str, TokenVectors]]:
    """Each word, with the text without it; only texts in which a known word remains."""
    words = text.split()
    removed = words[:MAX_EXPLAINED] if len(words) > 1 else []
    rests = [" ".join((*words[:i], *words[i + 1 :])) for i in range(len(removed))]
    pairs = zip(removed, space.texts(rests), strict=True)
    return [(word, rest) for word, rest in pairs if len(rest)]


def _tasks_without_an_attribute(task: ScoringTask, best: str) -> list[tuple[str, ScoringTask]]:
    """Each attribute of the best label, with the task without it."""
    [label] = [label for label in task.labels if label.name == best]
    tasks = []
    for name in list(label.attributes)[:MAX_EXPLAINED]:
        rest = {key: strength for key, strength in label.attributes.items() if key != name}
        reduced = replace(label, attributes=rest)
        labels = tuple(reduced if one is label else one for one in task.labels)
        tasks.append((name, replace(task, labels=labels)))
    return tasks


def _strongest(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    return tuple(sorted(effects, key=lambda effect: -abs(effect.effect)))
