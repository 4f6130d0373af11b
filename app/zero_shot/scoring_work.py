"""Estimates the work of a request (texts, labels, explanations) and refuses too much of it."""

from collections.abc import Sequence

from app.errors import InvalidRequest
from app.texts.space import Label, TextSpace
from app.words.text_vectors import tokenize
from app.zero_shot.classifier import ScoringTask
from app.zero_shot.explanation import MAX_EXPLAINED
from app.zero_shot.work import Amount, embedding_work, fit_work, label_work, require_affordable

MAX_CHARACTERS = 500_000
"""Of the texts and the background texts of a request."""
_PER_LABEL = 2_500  # of a classification: finding the vectors in the cache, sorting, copying


def require_affordable_scoring(space: TextSpace, texts: Sequence[str], task: ScoringTask) -> None:
    """Raises InvalidRequest if classifying the texts takes more than `work.MAX_COMPARISONS`.

    Embedding new labels is not included; `LabelEmbedder` limits it, and caches the result.
    """
    characters = sum(map(len, texts)) + sum(map(len, task.background))
    if characters > MAX_CHARACTERS:
        raise InvalidRequest(
            "background" if task.background else "inputs",
            f"the texts have {characters:,} characters together; at most {MAX_CHARACTERS:,} are "
            "allowed",
        )
    require_affordable(_scoring_work(space, texts, task))


def _scoring_work(space: TextSpace, texts: Sequence[str], task: ScoringTask) -> int:
    labels = Amount.of_labels(_compared(task))
    background = Amount.of_texts(task.background) if task.background else None
    every_time = _PER_LABEL * labels.texts
    if background is not None:  # the vectors of the labels are then not cached
        every_time += label_work(space, labels, background) + embedding_work(space, background)
    work = 0
    for text in texts:
        one = Amount(1, len(tokenize(text)))
        once = every_time + fit_work(space, one, labels) + embedding_work(space, one)
        work += once
        if task.explain:
            left_out = min(len(text.split()), MAX_EXPLAINED)
            work += left_out * once + _attribute_work(space, task, background, once)
    return work


def _compared(task: ScoringTask) -> Sequence[Label]:
    """The labels that the text is compared with."""
    if task.method != "dap":
        return (*task.labels, *task.seen)
    return [Label(name) for name in {name for label in task.labels for name in label.attributes}]


def _attribute_work(
    space: TextSpace, task: ScoringTask, background: Amount | None, once: int
) -> int:
    """Classifying once more without each attribute of the best label, which may be any label."""
    most = 0
    for label in task.labels:
        changed = label_work(space, Amount.of_labels([label]), background)
        most = max(most, min(len(label.attributes), MAX_EXPLAINED) * (once + changed))
    return most
