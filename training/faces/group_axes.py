"""Removes the differences between the mean embeddings of groups of people from a network.

Faces of one group have a direction in common, so pairs of strangers of one group are more similar
than other strangers, and the worst-served group sets every threshold. Without these few directions
the groups need similar thresholds, and a template says less about its person's group.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.vectors import Matrix
from training.networks.inception_resnet_v1 import InceptionResnetV1

_FEWEST = 200  # faces of a group, for a stable mean
_UNNAMED = ("", "other")


def group_axes(embeddings: Matrix, group: NDArray[np.str_]) -> Matrix:
    """Orthonormal basis of the differences between group means, shape (groups - 1, dimension).

    `group` (n,) names the group of each of the unit vectors, shape (n, dimension). Raises
    ValueError with fewer than two named groups of at least 200 faces.
    """
    names, counts = np.unique(group, return_counts=True)
    named = [name for name in names[counts >= _FEWEST] if name not in _UNNAMED]
    if len(named) < 2:
        raise ValueError(f"two groups of at least {_FEWEST} faces are needed, found {len(named)}")
    means = np.stack([embeddings[group == name].mean(axis=0) for name in named])
    _, _, axes = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
    return np.ascontiguousarray(axes[: len(named) - 1], dtype=np.float32)


@torch.no_grad()
def remove_axes(network: InceptionResnetV1, axes: Matrix) -> None:
    """Fold the projection onto the complement of `axes` into the last layer of a network.

    `axes` are orthonormal, shape (k, dimension). The network computes the same embeddings as
    before, less their components along `axes`, at unit length; it is in eval mode afterwards.
    """
    network.eval()
    basis = torch.from_numpy(axes).double()
    norm = network.last_bn
    assert norm.running_mean is not None, "the normalisation has statistics"
    assert norm.running_var is not None, "the normalisation has statistics"
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).double()
    bias = norm.bias.double() - scale * norm.running_mean.double()
    weight = scale[:, None] * network.last_linear.weight.double()
    network.last_linear.weight.copy_(_without(weight, basis))
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0 - norm.eps)
    norm.weight.fill_(1.0)
    norm.bias.copy_(_without(bias[:, None], basis)[:, 0])


def _without(columns: Tensor, basis: Tensor) -> Tensor:
    return columns - basis.T @ (basis @ columns)
