"""One-shot identification on held-out identities: one photo a person enrolled, the rest probes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.vectors import Matrix


@dataclass(frozen=True, slots=True)
class OneShotResult:
    """`rank1` is the closed-set hit rate over `probes` photos among `people` enrolled."""

    rank1: float
    people: int
    probes: int


def one_shot_rank1(embeddings: Matrix, identity: NDArray[np.str_]) -> OneShotResult:
    """Enroll the first photo of everyone with at least two, search with all the others."""
    names, first, count = np.unique(identity, return_index=True, return_counts=True)
    keep = (names != "") & (count >= 2)
    gallery = first[keep]
    is_probe = np.isin(identity, names[keep])
    is_probe[gallery] = False
    if not is_probe.any():
        return OneShotResult(float("nan"), len(gallery), 0)
    nearest = (embeddings[is_probe] @ embeddings[gallery].T).argmax(axis=1)
    hit = identity[gallery][nearest] == identity[is_probe]
    return OneShotResult(float(hit.mean()), len(gallery), int(is_probe.sum()))
