"""Inception-ResNet v1 (Szegedy et al. 2016) as FaceNet used it, with a width multiplier.

At width 1 and 512 dimensions the parameter names and shapes equal those of facenet-pytorch, so
its published state dicts can be loaded unchanged. What it has beyond FaceNet's is off by default:
see `Additions`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks.inception_blocks import (
    BN_EPS,
    BasicConv2d,
    LocalFeatures,
    block8,
    block17,
    block35,
    reduction_6a,
    reduction_7a,
)

REPEATS = (5, 10, 5)
"""Residual blocks of the three grids in FaceNet."""


@dataclass(frozen=True, slots=True)
class Additions:
    """What the network has beyond FaceNet's.

    `fine_blocks` residual blocks on the grid before the first one of FaceNet (24x24 cells for crops
    of 112 pixels). `branches_35` and `branches_17` are the numbers of channels of each branch of
    the residual blocks, those before and on the first grid and those on the second; 0 stands for
    FaceNet's numbers times the width. `local_17` and `local_35` are the numbers of channels that
    are read from each cell of the second and of the first grid of residual blocks and passed to the
    last layer beside the pooled features, which do not keep their position.
    """

    fine_blocks: int = 0
    branches_35: int = 0
    branches_17: int = 0
    local_17: int = 0
    local_35: int = 0


class InceptionResnetV1(nn.Module):
    """Maps crops (n, 3, size, size) to unit vectors (n, dimension).

    `width` scales every channel count; `repeats` are the numbers of residual blocks of the three
    grids; `size` is at least 80 pixels (160 in FaceNet). Only a network with local features is
    limited to crops of `size`.
    """

    def __init__(
        self,
        dimension: int = 512,
        width: float = 1.0,
        dropout: float = 0.6,
        repeats: tuple[int, int, int] = REPEATS,
        additions: Additions = Additions(),
        size: int = 160,
    ) -> None:
        super().__init__()

        def c(channels: int) -> int:
            return max(8, round(channels * width / 8) * 8)

        branches_35 = additions.branches_35 or c(32)
        branches_17 = additions.branches_17 or c(128)
        self.conv2d_1a = BasicConv2d(3, c(32), 3, stride=2)
        self.conv2d_2a = BasicConv2d(c(32), c(32), 3)
        self.conv2d_2b = BasicConv2d(c(32), c(64), 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = BasicConv2d(c(64), c(80), 1)
        self.conv2d_4a = BasicConv2d(c(80), c(192), 3)
        self.repeat_0 = nn.Sequential(
            *[block35(c(192), branches_35) for _ in range(additions.fine_blocks)]
        )
        self.conv2d_4b = BasicConv2d(c(192), c(256), 3, stride=2)
        grid35 = c(256)
        self.repeat_1 = nn.Sequential(*[block35(grid35, branches_35) for _ in range(repeats[0])])
        self.mixed_6a = reduction_6a(grid35, c(192), c(256), c(384))
        grid17 = c(384) + c(256) + grid35
        self.repeat_2 = nn.Sequential(*[block17(grid17, branches_17) for _ in range(repeats[1])])
        self.mixed_7a = reduction_7a(grid17, c(256), c(384))
        grid8 = c(384) + 2 * c(256) + grid17
        self.repeat_3 = nn.Sequential(*[block8(grid8, c(192)) for _ in range(repeats[2])])
        self.block8 = block8(grid8, c(192), scale=1.0, relu=False)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        first, second = _grids(size)
        self.local_35 = LocalFeatures(grid35, additions.local_35)
        self.local_17 = LocalFeatures(grid17, additions.local_17)
        local = first**2 * additions.local_35 + second**2 * additions.local_17
        self.last_linear = nn.Linear(grid8 + local, dimension, bias=False)
        self.last_bn = nn.BatchNorm1d(dimension, eps=BN_EPS, momentum=0.1)
        self._stem_frozen = False

    def freeze_stem(self) -> None:
        """Keep weights and statistics of the three convolutions before the pool.

        They have 0.1 % of the weights, and their gradients cost the most for each weight: of the
        grids that the network has, theirs are the finest.
        """
        self._stem_frozen = True
        for layer in self._stem():
            layer.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "InceptionResnetV1":
        """As in nn.Module; the normalisations of a frozen stem use their stored statistics."""
        super().train(mode)
        if self._stem_frozen:
            for layer in self._stem():
                layer.eval()
        return self

    def _stem(self) -> list[nn.Module]:
        return [self.conv2d_1a, self.conv2d_2a, self.conv2d_2b]

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_3b(self.maxpool_3a(x))
        x = self.conv2d_4b(self.repeat_0(self.conv2d_4a(x)))
        grid35 = self.repeat_1(x)
        grid17 = self.repeat_2(self.mixed_6a(grid35))
        x = self.block8(self.repeat_3(self.mixed_7a(grid17)))
        pooled = self.dropout(self.avgpool_1a(x)).flatten(1)
        parts = [pooled, *self.local_35(grid35), *self.local_17(grid17)]
        features = torch.cat(parts, dim=1) if len(parts) > 1 else pooled
        return functional.normalize(self.last_bn(self.last_linear(features)), dim=1)


def _grids(size: int) -> tuple[int, int]:
    """Cells a side of the first and of the second grid of residual blocks, for crops of `size`."""

    def halved(cells: int) -> int:  # by a convolution or pool of 3x3 without padding
        return (cells - 3) // 2 + 1

    first = halved(halved(halved(size) - 2) - 2)
    return first, halved(first)
