"""Online triplet mining: chooses triplets of a P x K batch by the current distances.

Every miner takes embeddings (n, dimension) of unit length and labels (n,), considers all
anchor-positive pairs, and chooses one negative for each. `ambiguous` (n, n), if given, marks pairs
that may show one person although their labels differ; they are not used as negatives.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Triplets:
    """Row numbers into the batch: three tensors of the same length."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor

    def __len__(self) -> int:
        return len(self.anchor)


class Miner(Protocol):
    """Chooses triplets of a batch."""

    def __call__(
        self, embeddings: Tensor, labels: Tensor, ambiguous: Tensor | None = None, /
    ) -> Triplets: ...


class RandomMiner:
    """Chooses a negative uniformly. Late in training most such triplets have zero loss."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(
        self, _embeddings: Tensor, labels: Tensor, ambiguous: Tensor | None = None, /
    ) -> Triplets:
        """One random negative for each anchor-positive pair."""
        pairs = _pairs(labels, ambiguous)
        if not len(pairs.anchor):
            return Triplets(pairs.anchor, pairs.positive, pairs.anchor)
        weights = pairs.different[pairs.anchor].float()
        keep = weights.sum(dim=1) > 0
        drawn = torch.multinomial(weights[keep].cpu(), 1, generator=self._generator).squeeze(1)
        return Triplets(pairs.anchor[keep], pairs.positive[keep], drawn.to(labels.device))


class HardMiner:
    """Chooses the nearest negative (Schroff et al. 2015, section 3.2: the argmin of d(A, N))."""

    def __call__(
        self, embeddings: Tensor, labels: Tensor, ambiguous: Tensor | None = None, /
    ) -> Triplets:
        """The negative most similar to the anchor, for each anchor-positive pair."""
        pairs = _pairs(labels, ambiguous)
        distances = pairwise_squared_distances(embeddings)
        return _nearest(pairs, distances, pairs.different[pairs.anchor])


class SemiHardMiner:
    """Chooses the nearest negative that is farther than the positive and within the margin.

    `d(A, P) < d(A, N) < d(A, P) + margin` (Schroff et al. 2015, eq. 4); pairs without such a
    negative are skipped.
    """

    def __init__(self, margin: float) -> None:
        self._margin = margin

    def __call__(
        self, embeddings: Tensor, labels: Tensor, ambiguous: Tensor | None = None, /
    ) -> Triplets:
        """The nearest semi-hard negative, for each anchor-positive pair that has one."""
        pairs = _pairs(labels, ambiguous)
        distances = pairwise_squared_distances(embeddings)
        reach = distances[pairs.anchor, pairs.positive][:, None]
        away = distances[pairs.anchor]
        semi_hard = (away > reach) & (away < reach + self._margin)
        return _nearest(pairs, distances, pairs.different[pairs.anchor] & semi_hard)


def pairwise_squared_distances(embeddings: Tensor) -> Tensor:
    """`2 - 2 * cosine` of unit vectors, shape (n, n), clipped at 0."""
    return (2.0 - 2.0 * embeddings @ embeddings.T).clamp_min(0.0)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """All ordered genuine pairs, and the mask (n, n) of pairs that surely show two people."""

    anchor: Tensor
    positive: Tensor
    different: Tensor


def _pairs(labels: Tensor, ambiguous: Tensor | None) -> _Pairs:
    same = labels[:, None] == labels[None, :]
    eye = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    anchor, positive = (same & ~eye).nonzero(as_tuple=True)
    return _Pairs(anchor, positive, ~same if ambiguous is None else ~same & ~ambiguous)


def _nearest(pairs: _Pairs, distances: Tensor, allowed: Tensor) -> Triplets:
    """The nearest allowed negative of each pair; pairs without one are skipped."""
    away = distances[pairs.anchor].masked_fill(~allowed, float("inf"))
    keep = allowed.any(dim=1)
    return Triplets(pairs.anchor[keep], pairs.positive[keep], away[keep].argmin(dim=1))
