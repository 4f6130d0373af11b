"""Which triplets of a P x K batch teach: chosen from the current distances (online mining).

Every miner takes embeddings (n, dimension) of unit length and labels (n,), looks at all
anchor-positive pairs, and picks one negative for each. `unsure` (n, n), where it is given, marks
pairs that may show one person although their labels differ: they are nobody's negative.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Triplets:
    """Row numbers into the batch, three tensors of one length."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor

    def __len__(self) -> int:
        return len(self.anchor)


class Miner(Protocol):
    """Picks triplets out of a batch."""

    def __call__(
        self, embeddings: Tensor, labels: Tensor, unsure: Tensor | None = None, /
    ) -> Triplets: ...


class RandomMiner:
    """Any negative at all: soon nearly all of them are far away and teach nothing."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(
        self, _embeddings: Tensor, labels: Tensor, unsure: Tensor | None = None, /
    ) -> Triplets:
        """One negative a pair, drawn uniformly."""
        anchor, positive, different = _pairs(labels, unsure)
        if not len(anchor):
            return Triplets(anchor, positive, anchor)
        weights = different[anchor].float()
        keep = weights.sum(dim=1) > 0
        drawn = torch.multinomial(weights[keep].cpu(), 1, generator=self._generator).squeeze(1)
        return Triplets(anchor[keep], positive[keep], drawn.to(labels.device))


class HardMiner:
    """The nearest negative (Schroff et al. 2015, section 3.2: the argmin of d(A, N))."""

    def __call__(
        self, embeddings: Tensor, labels: Tensor, unsure: Tensor | None = None, /
    ) -> Triplets:
        """One negative a pair, the one most like the anchor."""
        anchor, positive, different = _pairs(labels, unsure)
        distances = pairwise_squared_distances(embeddings)
        return _nearest(anchor, positive, distances, different[anchor])


class SemiHardMiner:
    """The nearest negative that is farther than the positive and within the margin.

    `d(A, P) < d(A, N) < d(A, P) + margin` (Schroff et al. 2015, eq. 4); a pair without such a
    negative is left out.
    """

    def __init__(self, margin: float) -> None:
        self._margin = margin

    def __call__(
        self, embeddings: Tensor, labels: Tensor, unsure: Tensor | None = None, /
    ) -> Triplets:
        """One negative a pair, where there is a semi-hard one."""
        anchor, positive, different = _pairs(labels, unsure)
        distances = pairwise_squared_distances(embeddings)
        reach = distances[anchor, positive][:, None]
        away = distances[anchor]
        allowed = different[anchor] & (away > reach) & (away < reach + self._margin)
        return _nearest(anchor, positive, distances, allowed)


def pairwise_squared_distances(embeddings: Tensor) -> Tensor:
    """`2 - 2 * cosine` of unit vectors, shape (n, n), clipped at 0."""
    return (2.0 - 2.0 * embeddings @ embeddings.T).clamp_min(0.0)


def _pairs(labels: Tensor, unsure: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """All ordered pairs of one person, and the mask (n, n) of surely different people."""
    same = labels[:, None] == labels[None, :]
    eye = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    anchor, positive = (same & ~eye).nonzero(as_tuple=True)
    return anchor, positive, ~same if unsure is None else ~same & ~unsure


def _nearest(anchor: Tensor, positive: Tensor, distances: Tensor, allowed: Tensor) -> Triplets:
    """The nearest allowed negative of each pair; pairs that allow none are left out."""
    away = distances[anchor].masked_fill(~allowed, float("inf"))
    keep = allowed.any(dim=1)
    return Triplets(anchor[keep], positive[keep], away[keep].argmin(dim=1))
