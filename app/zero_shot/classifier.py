"""Scores labels against evidence with one of four methods."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from app.errors import InvalidRequest
from app.texts.space import Label, TextSpace, TokenVectors
from app.zero_shot.evidence import Evidence, TextEvidence
from app.zero_shot.labels import EmbeddedLabels, LabelEmbedder
from app.zero_shot.matching import Scores
from app.zero_shot.methods import conse, dap

Method = Literal["cosine", "conse", "dap", "eszsl"]

_MIN_CLASSES = 2
_MIN_PRIOR, _MAX_PRIOR = 0.05, 0.95
_MIN_BACKGROUND_TEXTS = 3
_MIN_STD = 1e-3
_MAX_SIGNATURES = 5_000_000  # labels x different attributes of a request


@dataclass(frozen=True, slots=True)
class ScoringTask:
    """The labels to score, and how.

    `seen` are known classes, for ConSE and generalised zero-shot; the evidence of labels among
    them is reduced by `seen_penalty` standard deviations. `background` replaces the background
    texts of the space.
    """

    labels: tuple[Label, ...]
    method: Method = "cosine"
    multi_label: bool = False
    reject_below: float | None = None
    temperature: float = 1.0
    seen: tuple[Label, ...] = ()
    seen_penalty: float | None = None
    background: tuple[str, ...] = ()
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Classification:
    """Labels with their scores, best first.

    The scores are computed from `evidence`, which is in standard deviations (`dap`: log odds).
    `decision` is the best label, or None if its score is below `reject_below`.
    """

    labels: tuple[str, ...]
    scores: tuple[float, ...]
    evidence: tuple[float, ...]
    decision: str | None
    out_of_vocabulary: tuple[str, ...]


class Classifier:
    """Scores labels in any text space. Its only state is the cache of label vectors."""

    def __init__(self, labels: LabelEmbedder) -> None:
        self._labels = labels

    def classify_text(self, space: TextSpace, text: str, task: ScoringTask) -> Classification:
        """Classify one text. Raises InvalidRequest for a text without a known word."""
        [tokens] = space.texts([text])
        if not len(tokens):
            unknown = ", ".join(tokens.unknown[:10])
            raise InvalidRequest("text", f"no word of text is in {space.space.name}: {unknown}")
        return self.classify(space, TextEvidence(tokens), task, tokens.unknown)

    def decide(self, space: TextSpace, texts: Sequence[str], task: ScoringTask) -> list[str | None]:
        """The decision for each text; None also for a text without a known word."""
        return [
            self.classify(space, TextEvidence(text), task).decision if len(text) else None
            for text in space.texts(texts)
        ]

    def classify(
        self,
        space: TextSpace,
        evidence: Evidence,
        task: ScoringTask,
        unknown: tuple[str, ...] = (),
    ) -> Classification:
        """Score the labels of `task`, with vectors of `space`.

        `unknown` are the unknown words of the input. Raises InvalidRequest for a label without a
        known word and for a task that lacks what its method requires.
        """
        values, unknown_in_labels = self._evidence(space, evidence, task)
        seen = {label.name for label in task.seen}
        is_seen = np.array([label.name in seen for label in task.labels])
        values = values - is_seen * (task.seen_penalty or 0.0)
        scores = _normal_cdf(values) if task.multi_label else _softmax(values / task.temperature)
        best_first = np.argsort(-scores, kind="stable")
        names = [label.name for label in task.labels]
        best_score = float(scores[best_first[0]])
        rejected = task.reject_below is not None and best_score < task.reject_below
        return Classification(
            tuple(names[row] for row in best_first),
            tuple(float(scores[row]) for row in best_first),
            tuple(float(values[row]) for row in best_first),
            None if rejected else names[best_first[0]],
            tuple(dict.fromkeys([*unknown, *unknown_in_labels])),
        )

    def _evidence(
        self, space: TextSpace, evidence: Evidence, task: ScoringTask
    ) -> tuple[Scores, list[str]]:
        """The evidence of each label, and the unknown words of the labels."""
        background = _background(space, task.background) if task.background else None
        if task.method == "dap":
            return self._dap(space, evidence, task, background)
        labels = self._labels.embed(space, task.labels, background)
        unknown = [word for words in labels.unknown for word in words]
        if task.method != "conse":
            return evidence.scores(labels), unknown
        if len(task.seen) < _MIN_CLASSES:
            raise InvalidRequest(
                "seen",
                f"seen has {len(task.seen)} classes; conse requires {_MIN_CLASSES} or more",
            )
        seen = self._labels.embed(space, task.seen, background)
        return _conse(evidence, labels, seen, task.temperature), unknown

    def _dap(
        self,
        space: TextSpace,
        evidence: Evidence,
        task: ScoringTask,
        background: list[TokenVectors] | None,
    ) -> tuple[Scores, list[str]]:
        """DAP with p(attribute | input) from the prior and the standardised evidence."""
        names, signatures, priors = attribute_signatures(task.labels)
        attributes = self._labels.embed(space, [Label(name) for name in names], background)
        log_odds = np.log(priors / (1.0 - priors)) + evidence.scores(attributes)
        values = dap(1.0 / (1.0 + np.exp(-log_odds)), signatures, priors)
        return values, [word for words in attributes.unknown for word in words]


def attribute_signatures(labels: Sequence[Label]) -> tuple[list[str], Scores, Scores]:
    """The names of all attributes (a), their strengths in each label (labels, a), and their
    priors (a,).

    An attribute that a label does not list has strength 0. Raises InvalidRequest for fewer than
    two labels, for labels without attributes, and for too many of both.
    """
    names = list(dict.fromkeys(name for label in labels for name in label.attributes))
    if not names or len(labels) < _MIN_CLASSES:
        raise InvalidRequest(
            "labels",
            f"{len(labels)} labels with {len(names)} attributes were sent; dap requires "
            f"{_MIN_CLASSES} labels or more, with attributes",
        )
    if len(labels) * len(names) > _MAX_SIGNATURES:
        raise InvalidRequest(
            "labels",
            f"{len(labels)} labels with {len(names)} different attributes were sent; the product "
            f"may be at most {_MAX_SIGNATURES:,}",
        )
    rows = [[label.attributes.get(name, 0.0) for name in names] for label in labels]
    signatures = np.array(rows, dtype=np.float64)
    priors: Scores = np.clip(signatures.mean(axis=0), _MIN_PRIOR, _MAX_PRIOR)
    return names, signatures, priors


def _background(space: TextSpace, texts: Sequence[str]) -> list[TokenVectors]:
    background = [text for text in space.texts(texts) if len(text)]
    if len(background) < _MIN_BACKGROUND_TEXTS:
        raise InvalidRequest(
            "background",
            f"{len(background)} of the background texts have a known word; at least "
            f"{_MIN_BACKGROUND_TEXTS} must",
        )
    return background


def _conse(
    evidence: Evidence, labels: EmbeddedLabels, seen: EmbeddedLabels, temperature: float
) -> Scores:
    """ConSE, standardised for each label over the cosines with the single seen classes."""
    seen_means = seen.vectors.means[seen.first_rows()].astype(np.float64)
    label_means = labels.vectors.means.astype(np.float64)
    probabilities = _softmax(evidence.scores(seen) / temperature)
    cosines = conse(probabilities, seen_means, label_means)
    single = label_means @ seen_means.T
    std = np.maximum(single.std(axis=1), _MIN_STD)
    return labels.best_alternatives((cosines - single.mean(axis=1)) / std)


def _softmax(values: Scores) -> Scores:
    exponentials = np.exp(values - values.max())
    probabilities: Scores = exponentials / exponentials.sum()
    return probabilities


def _normal_cdf(values: Scores) -> Scores:
    """The standard normal distribution function: the share of unrelated inputs with less
    evidence."""
    return np.array([0.5 * (1.0 + math.erf(value / math.sqrt(2.0))) for value in values])
