"""Loss functions for face embeddings of unit length, shape (n, dimension)."""

import torch
from torch import Tensor
from torch.nn import functional


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """`||a - b||^2` row by row, shape (n,); 0 to 4 for unit vectors."""
    return (a - b).square().sum(dim=1)


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """The triplet loss (Schroff et al. 2015, FaceNet, eq. 3): the mean of `triplet_terms`."""
    return triplet_terms(anchor, positive, negative, margin).mean()


def triplet_terms(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """`max(d(A, P) - d(A, N) + margin, 0)` of each triplet, shape (n,)."""
    gap = squared_distance(anchor, positive) - squared_distance(anchor, negative)
    return functional.relu(gap + margin)


def pair_loss(a: Tensor, b: Tensor, same: Tensor, margin: float) -> Tensor:
    """The Siamese pair loss (Hadsell, Chopra & LeCun 2006): the mean of `pair_terms`."""
    return pair_terms(a, b, same, margin).mean()


def pair_terms(a: Tensor, b: Tensor, same: Tensor, margin: float) -> Tensor:
    """Loss of each pair, shape (n,); `same` is bool, shape (n,).

    `d(a, b)` for genuine pairs, `max(margin - ||a - b||, 0)^2` for impostor pairs.
    """
    squared = squared_distance(a, b)
    apart = functional.relu(margin - torch.sqrt(squared + 1e-12)).square()
    return torch.where(same, squared, apart)


def direct_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean of `1 - cos(student, teacher)`."""
    return (1.0 - functional.cosine_similarity(student, teacher, dim=1)).mean()


def relational_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the batch's two similarity matrices, diagonals excluded.

    After Park et al. 2019 and Tung & Mori 2019, which distil relations between samples.
    """
    difference = (student @ student.T - teacher @ teacher.T).square()
    n = len(student)
    return (difference.sum() - difference.diagonal().sum()) / (n * (n - 1))
