"""Labels scored against evidence, by one of four methods; the best one, or none of them."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from app.errors import InvalidRequest
from app.texts.space import Label, TextSpace, TokenVectors
from app.zero_shot.evidence import BagEvidence, Evidence
from app.zero_shot.labels import LabelCache, ReadyLabels
from app.zero_shot.matching import Scores
from app.zero_shot.methods import conse, dap

Method = Literal["cosine", "conse", "dap", "eszsl"]

_LEAST_SEEN = 2
_LEAST_PRIOR, _MOST_PRIOR = 0.05, 0.95
_LEAST_BACKGROUND = 3
_MOST_EXPLAINED = 64  # words of a text, and attributes, that are left out in turn


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked. `seen` are classes that are known already (ConSE, generalised zero-shot);
    their evidence is lowered by `seen_penalty` standard deviations, if it is there."""

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
class Effect:
    """How much evidence for the best label a word or an attribute brings; it may be negative."""

    name: str
    effect: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of the best label: the words of the text and its attributes, strongest first."""

    label: str
    words: tuple[Effect, ...]
    attributes: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Labels with scores, best first. `evidence` is what the scores are made from; `decision` is
    None where the best score is below `reject_below`."""

    labels: tuple[str, ...]
    scores: tuple[float, ...]
    evidence: tuple[float, ...]
    decision: str | None
    out_of_vocabulary: tuple[str, ...]
    explanation: Explanation | None = None


class Classifier:
    """Scores labels in any space of texts; keeps nothing but label vectors."""

    def __init__(self) -> None:
        self._cache = LabelCache()

    def score_text(self, space: TextSpace, text: str, order: Order) -> Verdict:
        """Raises InvalidRequest where no word of the text or of a label is known."""
        bag = space.texts([text])[0]
        if not len(bag.tokens):
            raise InvalidRequest("text", f"no word of it is known: {', '.join(bag.unknown[:10])}")
        verdict = self.score(space, BagEvidence(bag), order, bag.unknown)
        if not order.explain:
            return verdict
        return replace(verdict, explanation=self._explain(space, text, bag, order, verdict))

    def decide(self, space: TextSpace, texts: Sequence[str], order: Order) -> list[str | None]:
        """The decision for each of many texts; None for one of unknown words only, too."""
        return [
            self.score(space, BagEvidence(bag), order).decision if len(bag.tokens) else None
            for bag in space.texts(texts)
        ]

    def score(
        self, space: TextSpace, evidence: Evidence, order: Order, unknown: tuple[str, ...] = ()
    ) -> Verdict:
        """Any evidence against the labels of `order`, whose vectors are of `space`."""
        found, missing = self._evidence(space, evidence, order)
        seen = {label.name for label in order.seen}
        lowered = np.array([label.name in seen for label in order.labels]) * (
            order.seen_penalty or 0.0
        )
        found = found - lowered
        scores = _independent(found) if order.multi_label else _softmax(found / order.temperature)
        best_first = np.argsort(-scores, kind="stable")
        names = [label.name for label in order.labels]
        best = float(scores[best_first[0]])
        rejected = order.reject_below is not None and best < order.reject_below
        return Verdict(
            tuple(names[row] for row in best_first),
            tuple(float(scores[row]) for row in best_first),
            tuple(float(found[row]) for row in best_first),
            None if rejected else names[best_first[0]],
            tuple(dict.fromkeys([*unknown, *missing])),
        )

    def _evidence(
        self, space: TextSpace, evidence: Evidence, order: Order
    ) -> tuple[Scores, list[str]]:
        """One number a label, and the words of labels that nobody knows."""
        background = None
        if order.background:
            background = [bag for bag in space.texts(order.background) if len(bag.tokens)]
            if len(background) < _LEAST_BACKGROUND:
                told = f"at least {_LEAST_BACKGROUND} of them need a word that is known"
                raise InvalidRequest("background", told)
        if order.method == "dap":
            return self._by_attributes(space, evidence, order, background)
        labels = self._cache.ready(space, order.labels, background)
        missing = [word for words in labels.unknown for word in words]
        if order.method == "conse":
            seen = self._cache.ready(space, order.seen, background) if order.seen else None
            return _by_seen(evidence, labels, seen, order), missing
        return evidence.of(labels), missing

    def _by_attributes(
        self,
        space: TextSpace,
        evidence: Evidence,
        order: Order,
        background: list[TokenVectors] | None,
    ) -> tuple[Scores, list[str]]:
        """DAP: p(attribute | input) by standardised evidence around the prior."""
        names, signatures, priors = signatures_of(order.labels)
        ready = self._cache.ready(space, [Label(name) for name in names], background)
        log_odds = np.log(priors / (1.0 - priors)) + evidence.of(ready)
        found = dap(1.0 / (1.0 + np.exp(-log_odds)), signatures, priors)
        return found, [word for words in ready.unknown for word in words]

    def _explain(
        self, space: TextSpace, text: str, bag: TokenVectors, order: Order, verdict: Verdict
    ) -> Explanation:
        """What changes when one word, or one attribute of the best label, is left out."""
        best = next(label for label in order.labels if label.name == verdict.labels[0])
        alone = replace(order, explain=False)

        def evidence_without(some: TokenVectors, labels: tuple[Label, ...]) -> float:
            found = self.score(space, BagEvidence(some), replace(alone, labels=labels))
            return found.evidence[found.labels.index(best.name)]

        whole = verdict.evidence[0]
        words = text.split()[:_MOST_EXPLAINED] if len(text.split()) > 1 else []
        shorter = [" ".join((*words[:i], *words[i + 1 :])) for i in range(len(words))]
        effects = [
            Effect(word, whole - evidence_without(rest, order.labels))
            for word, rest in zip(words, space.texts(shorter), strict=True)
            if len(rest.tokens)
        ]
        attributes = []
        for name in list(best.attributes)[:_MOST_EXPLAINED]:
            less = {key: held for key, held in best.attributes.items() if key != name}
            changed = tuple(
                replace(one, attributes=less) if one is best else one for one in order.labels
            )
            with suppress(InvalidRequest):  # without it nothing would be left to score
                attributes.append(Effect(name, whole - evidence_without(bag, changed)))
        return Explanation(best.name, _strongest(effects), _strongest(attributes))


def signatures_of(labels: Sequence[Label]) -> tuple[list[str], Scores, Scores]:
    """All attributes, the strength of each in each label (labels, a), and its prior (a,).

    An attribute that a label does not mention counts as absent. Raises InvalidRequest where the
    labels have none.
    """
    names = list(dict.fromkeys(name for label in labels for name in label.attributes))
    if not names or len(labels) < _LEAST_SEEN:
        raise InvalidRequest("labels", "dap needs two labels or more, with attributes")
    rows = [[label.attributes.get(name, 0.0) for name in names] for label in labels]
    signatures = np.array(rows, dtype=np.float64)
    priors: Scores = np.clip(signatures.mean(axis=0), _LEAST_PRIOR, _MOST_PRIOR)
    return names, signatures, priors


def _by_seen(
    evidence: Evidence, labels: ReadyLabels, seen: ReadyLabels | None, order: Order
) -> Scores:
    """ConSE, in standard deviations over what single seen classes would give."""
    if seen is None or len(order.seen) < _LEAST_SEEN:
        raise InvalidRequest("seen", "conse needs two seen classes or more")
    starts = np.flatnonzero(np.diff(seen.owners, prepend=-1))
    known = seen.vectors.means[starts].astype(np.float64)
    wanted = labels.vectors.means.astype(np.float64)
    cosines = conse(_softmax(evidence.of(seen) / order.temperature), known, wanted)
    single = wanted @ known.T
    spread = np.maximum(single.std(axis=1), 1e-3)
    return labels.best_of((cosines - single.mean(axis=1)) / spread)


def _softmax(values: Scores) -> Scores:
    wide = np.exp(values - values.max())
    found: Scores = wide / wide.sum()
    return found


def _independent(values: Scores) -> Scores:
    """The share of chance that fits a label less: the normal distribution's."""
    return np.array([0.5 * (1.0 + math.erf(value / math.sqrt(2.0))) for value in values])


def _strongest(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    return tuple(sorted(effects, key=lambda effect: -abs(effect.effect)))
