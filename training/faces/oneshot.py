"""One-shot identification metrics: the support set has one photo per person."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.vectors import Matrix

Identities = NDArray[np.str_]
"""Identity of each photo, shape (n,); empty if unknown."""


Correction = NDArray[np.float32]
"""What each face takes off a comparison score (score normalisation), shape (n,)."""


@dataclass(frozen=True, slots=True)
class OneShotResult:
    """Closed-set rank-1 rate of `probes` photos among `people` enrolled; NaN without probes."""

    rank1: float
    people: int
    probes: int


@dataclass(frozen=True, slots=True)
class OpenSetResult:
    """FNIR at the threshold that gives `fpir` over `strangers` photos; NaN if it is undefined."""

    fpir: float
    fnir: float
    strangers: int


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """Mean accuracy of N-way one-shot episodes; `margin` is the half-width of its 95 % interval."""

    ways: int
    accuracy: float
    margin: float
    episodes: int


@dataclass(frozen=True, slots=True)
class _Search:
    """Each probe's similarity to the nearest enrolled person, and whether it is the same person.

    `strangers` has the similarity of each stranger to the nearest enrolled person.
    """

    similarity: NDArray[np.float32]
    correct: NDArray[np.bool_]
    people: int
    strangers: NDArray[np.float32]


def one_shot_rank1(
    embeddings: Matrix, identity: Identities, correction: Correction | None = None
) -> OneShotResult:
    """Enroll the first photo of every person with at least two; the other photos are probes."""
    found = _search(embeddings, identity, correction)
    rank1 = float(found.correct.mean()) if len(found.correct) else float("nan")
    return OneShotResult(rank1, found.people, len(found.correct))


def open_set(
    embeddings: Matrix,
    identity: Identities,
    correction: Correction | None = None,
    fpir: float = 0.01,
) -> OpenSetResult:
    """FNIR(N, R=1, T) at a given FPIR (ISO/IEC 19795-1, Grother & Ngan 2014).

    The gallery is that of `one_shot_rank1`; people with a single photo are the strangers. A probe
    is missed if its person is not the nearest one or not above the threshold.
    """
    found = _search(embeddings, identity, correction)
    ordered = np.sort(found.strangers)[::-1]
    if not len(ordered) or not len(found.correct):
        return OpenSetResult(fpir, float("nan"), len(ordered))
    threshold = ordered[int(np.floor(fpir * len(ordered)))]
    hit = found.correct & (found.similarity > threshold)
    return OpenSetResult(fpir, float(1.0 - hit.mean()), len(ordered))


def episodes(
    embeddings: Matrix, identity: Identities, ways: int, count: int = 2_000, seed: int = 0
) -> EpisodeResult:
    """Accuracy of one-shot episodes (Vinyals et al. 2016) with `ways` people each.

    Each episode draws one support photo and one query per person; a query is correct if the nearest
    support photo shows the same person. NaN if there are fewer than `ways` people.
    """
    rng = np.random.default_rng((seed, ways))
    names, counts = np.unique(identity, return_counts=True)
    members = [np.flatnonzero(identity == n) for n in names[(names != "") & (counts >= 2)]]
    if len(members) < ways:
        return EpisodeResult(ways, float("nan"), float("nan"), 0)
    scores = np.empty(count)
    for number in range(count):
        people = rng.choice(len(members), ways, replace=False)
        drawn = np.array([rng.choice(members[person], 2, replace=False) for person in people])
        similarity = embeddings[drawn[:, 1]] @ embeddings[drawn[:, 0]].T
        scores[number] = (similarity.argmax(axis=1) == np.arange(ways)).mean()
    margin = 1.96 * scores.std() / np.sqrt(count)
    return EpisodeResult(ways, float(scores.mean()), float(margin), count)


def _search(embeddings: Matrix, identity: Identities, correction: Correction | None) -> _Search:
    off = np.zeros(len(identity), dtype=np.float32) if correction is None else correction
    names, first, count = np.unique(identity, return_index=True, return_counts=True)
    keep = (names != "") & (count >= 2)
    gallery = first[keep]
    is_probe = np.isin(identity, names[keep])
    is_probe[gallery] = False
    alone = np.isin(identity, names[(names != "") & (count == 1)])
    if not len(gallery):
        empty = np.empty(0, dtype=np.float32)
        return _Search(empty, np.empty(0, dtype=np.bool_), 0, empty)
    similarity = embeddings[is_probe] @ embeddings[gallery].T
    similarity -= off[is_probe, None] + off[None, gallery]
    others = embeddings[alone] @ embeddings[gallery].T - off[alone, None] - off[None, gallery]
    nearest = similarity.argmax(axis=1)
    return _Search(
        similarity=similarity.max(axis=1),
        correct=identity[gallery][nearest] == identity[is_probe],
        people=len(gallery),
        strangers=others.max(axis=1),
    )
