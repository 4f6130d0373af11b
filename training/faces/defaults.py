"""What a service does at its default settings to people that no training used."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.faces.decisions.policy import DecisionPolicy
from app.vectors import Matrix

_FMR, _FPIR = 1e-3, 1e-2  # the defaults of app.settings
_GALLERIES = (40, 1_000)
_DRAWS = 20  # galleries drawn per size, for a stable mean


@dataclass(frozen=True, slots=True)
class GalleryResult:
    """Shares over random galleries with one photo per person, at the default rates.

    `found` and `wrong` are shares of probes of enrolled people: matched with the right person, with
    another one. `strangers` is the share of people outside the gallery who match somebody. A
    duplicate check at the same rate notices `found + wrong` of re-enrolled people and refuses
    `strangers` of the new ones.
    """

    people: int
    probes: int
    found: float
    wrong: float
    strangers: float


@dataclass(frozen=True, slots=True)
class Defaults:
    """`refused` is the share of genuine pairs below their threshold at an FMR of 0.001."""

    genuine_pairs: int
    refused: float
    galleries: tuple[GalleryResult, ...]


def measure_defaults(
    policy: DecisionPolicy, embeddings: Matrix, identity: NDArray[np.str_], seed: int = 0
) -> Defaults:
    """Measure verification and identification; `identity` (n,) names the person of each face."""
    off = policy.corrections(embeddings)
    first, second = _genuine_pairs(identity)
    scores = (embeddings[first] * embeddings[second]).sum(axis=1) - off[first] - off[second]
    refused = float((scores < policy.for_fmr(_FMR).threshold).mean())
    names, counts = np.unique(identity, return_counts=True)
    several = names[counts >= 2]
    sizes = sorted({min(size, len(several) * 3 // 4) for size in _GALLERIES})
    rng = np.random.default_rng(seed)
    results = tuple(
        _galleries(policy, embeddings, off, identity, several, size, rng) for size in sizes
    )
    return Defaults(len(first), refused, results)


def _galleries(
    policy: DecisionPolicy,
    embeddings: Matrix,
    off: NDArray[np.float32],
    identity: NDArray[np.str_],
    several: NDArray[np.str_],
    size: int,
    rng: np.random.Generator,
) -> GalleryResult:
    threshold = policy.for_fpir(_FPIR, size).threshold
    found, wrong, strangers, probes = [], [], [], 0
    for _ in range(_DRAWS):
        enrolled = rng.choice(several, size, replace=False)
        order = rng.permutation(len(identity))
        is_enrolled = np.isin(identity[order], enrolled)
        _, place = np.unique(identity[order[is_enrolled]], return_index=True)
        gallery = order[is_enrolled][place]
        others = np.setdiff1d(order[is_enrolled], gallery)
        known = _search(embeddings, off, others, gallery)
        new = _search(embeddings, off, order[~is_enrolled], gallery)
        right = identity[gallery[known.best]] == identity[others]
        found.append(float((right & (known.score >= threshold)).mean()))
        wrong.append(float((~right & (known.score >= threshold)).mean()))
        strangers.append(float((new.score >= threshold).mean()))
        probes += len(others)
    means = (float(np.mean(values)) for values in (found, wrong, strangers))
    return GalleryResult(size, probes, *means)


@dataclass(frozen=True, slots=True)
class _Nearest:
    best: NDArray[np.int64]
    score: NDArray[np.float32]


def _search(
    embeddings: Matrix,
    off: NDArray[np.float32],
    probes: NDArray[np.int64],
    gallery: NDArray[np.int64],
) -> _Nearest:
    scores = embeddings[probes] @ embeddings[gallery].T - off[probes, None] - off[None, gallery]
    return _Nearest(scores.argmax(axis=1), scores.max(axis=1))


def _genuine_pairs(identity: NDArray[np.str_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, second = np.triu_indices(len(identity), 1)
    same = identity[first] == identity[second]
    return first[same], second[same]
