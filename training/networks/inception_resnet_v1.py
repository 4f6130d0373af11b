"""Inception-ResNet v1 (Szegedy et al. 2016) as FaceNet used it, with a width multiplier.

At width 1 and 512 dimensions the parameter names and shapes equal those of facenet-pytorch, so
its published state dicts can be loaded unchanged.
"""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks.pointwise import pointwise

_BN_EPS = 1e-3
_SCALE_35, _SCALE_17, _SCALE_8 = 0.17, 0.10, 0.20  # residual scaling, section 3.3 of the paper


_REPEATED_BLOCK = re.compile(r"repeat_[123]\.[0-9]+(?=\.)")

REPEATS = (5, 10, 5)
"""Residual blocks of the three grids in FaceNet."""


def _convolve(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply `layer`; in training by matrix products if its kernel is 1x1 (see `pointwise`)."""
    if not layer.training or layer.kernel_size != (1, 1):
        result: Tensor = layer(x)
        return result
    out = pointwise(x, layer.weight.to(x.dtype))
    return out if layer.bias is None else out + layer.bias.to(x.dtype)[:, None, None]


class BasicConv2d(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=_BN_EPS, momentum=0.1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(_convolve(self.conv, x)))


class ResidualBlock(nn.Module):
    """relu(x + scale * conv(concat(branches(x)))), the common form of all three block kinds."""

    def __init__(
        self, branches: Sequence[nn.Module], mixed: int, channels: int, scale: float, relu: bool
    ) -> None:
        super().__init__()
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)
        self.conv2d = nn.Conv2d(mixed, channels, 1)
        self._branches = len(branches)
        self.scale = scale
        self._relu = relu

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.get_submodule(f"branch{n}")(x) for n in range(self._branches)]
        out = _convolve(self.conv2d, torch.cat(parts, dim=1))
        out = x + (out if self.scale == 1.0 else self.scale * out)
        return functional.relu(out) if self._relu else out

    @torch.no_grad()
    def fold_scale(self) -> None:
        """Fold the residual scale into the last convolution, for export."""
        self.conv2d.weight *= self.scale
        assert self.conv2d.bias is not None, "the convolution has a bias"
        self.conv2d.bias *= self.scale
        self.scale = 1.0


class ReductionBlock(nn.Module):
    """Concatenated branches that halve the grid."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)
        self._branches = len(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [self.get_submodule(f"branch{n}")(x) for n in range(self._branches)], dim=1
        )


class InceptionResnetV1(nn.Module):
    """Maps crops (n, 3, size, size) to unit vectors (n, dimension).

    `width` scales every channel count; `repeats` are the numbers of residual blocks of the three
    grids; `size` is at least 80 pixels (160 in FaceNet).
    """

    def __init__(
        self,
        dimension: int = 512,
        width: float = 1.0,
        dropout: float = 0.6,
        repeats: tuple[int, int, int] = REPEATS,
    ) -> None:
        super().__init__()

        def c(channels: int) -> int:
            return max(8, round(channels * width / 8) * 8)

        self.conv2d_1a = BasicConv2d(3, c(32), 3, stride=2)
        self.conv2d_2a = BasicConv2d(c(32), c(32), 3)
        self.conv2d_2b = BasicConv2d(c(32), c(64), 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = BasicConv2d(c(64), c(80), 1)
        self.conv2d_4a = BasicConv2d(c(80), c(192), 3)
        self.conv2d_4b = BasicConv2d(c(192), c(256), 3, stride=2)
        grid35 = c(256)
        self.repeat_1 = nn.Sequential(*[_block35(grid35, c(32)) for _ in range(repeats[0])])
        self.mixed_6a = _reduction_6a(grid35, c(192), c(256), c(384))
        grid17 = c(384) + c(256) + grid35
        self.repeat_2 = nn.Sequential(*[_block17(grid17, c(128)) for _ in range(repeats[1])])
        self.mixed_7a = _reduction_7a(grid17, c(256), c(384))
        grid8 = c(384) + 2 * c(256) + grid17
        self.repeat_3 = nn.Sequential(*[_block8(grid8, c(192)) for _ in range(repeats[2])])
        self.block8 = _block8(grid8, c(192), scale=1.0, relu=False)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(grid8, dimension, bias=False)
        self.last_bn = nn.BatchNorm1d(dimension, eps=_BN_EPS, momentum=0.1)
        self._stem_frozen = False

    def freeze_stem(self) -> None:
        """Keep weights and statistics of the layers before the first residual block.

        They have 3 % of the weights and take almost half the time of a training step.
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

    @torch.no_grad()
    def load_shallower(self, state: Mapping[str, Tensor]) -> None:
        """Load the weights of a network with as many or fewer residual blocks.

        The blocks that it lacks keep their random branches and get a last convolution of zeros, so
        that the network computes the same as before and learns to use them (Chen et al. 2016,
        Net2Net, with the residual form of Zhang et al. 2019). Raises RuntimeError for weights of
        another network.
        """
        lacking = self.load_state_dict(state, strict=False)
        blocks = [_REPEATED_BLOCK.match(key) for key in lacking.missing_keys]
        if lacking.unexpected_keys or not all(blocks):
            self.load_state_dict(state)  # raises, and names the difference
        for name in {found.group() for found in blocks if found}:
            block = self.get_submodule(name)
            assert isinstance(block, ResidualBlock)
            assert block.conv2d.bias is not None, "the convolution has a bias"
            block.conv2d.weight.zero_()
            block.conv2d.bias.zero_()

    def _stem(self) -> list[nn.Module]:
        return [
            self.conv2d_1a,
            self.conv2d_2a,
            self.conv2d_2b,
            self.conv2d_3b,
            self.conv2d_4a,
            self.conv2d_4b,
        ]

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_3b(self.maxpool_3a(x))
        x = self.conv2d_4b(self.conv2d_4a(x))
        x = self.mixed_6a(self.repeat_1(x))
        x = self.mixed_7a(self.repeat_2(x))
        x = self.block8(self.repeat_3(x))
        x = self.dropout(self.avgpool_1a(x)).flatten(1)
        return functional.normalize(self.last_bn(self.last_linear(x)), dim=1)


def _block35(channels: int, narrow: int) -> ResidualBlock:
    branches = [
        BasicConv2d(channels, narrow, 1),
        nn.Sequential(BasicConv2d(channels, narrow, 1), BasicConv2d(narrow, narrow, 3, padding=1)),
        nn.Sequential(
            BasicConv2d(channels, narrow, 1),
            BasicConv2d(narrow, narrow, 3, padding=1),
            BasicConv2d(narrow, narrow, 3, padding=1),
        ),
    ]
    return ResidualBlock(branches, 3 * narrow, channels, _SCALE_35, relu=True)


def _block17(channels: int, narrow: int) -> ResidualBlock:
    branches = [
        BasicConv2d(channels, narrow, 1),
        nn.Sequential(
            BasicConv2d(channels, narrow, 1),
            BasicConv2d(narrow, narrow, (1, 7), padding=(0, 3)),
            BasicConv2d(narrow, narrow, (7, 1), padding=(3, 0)),
        ),
    ]
    return ResidualBlock(branches, 2 * narrow, channels, _SCALE_17, relu=True)


def _block8(
    channels: int, narrow: int, scale: float = _SCALE_8, relu: bool = True
) -> ResidualBlock:
    branches = [
        BasicConv2d(channels, narrow, 1),
        nn.Sequential(
            BasicConv2d(channels, narrow, 1),
            BasicConv2d(narrow, narrow, (1, 3), padding=(0, 1)),
            BasicConv2d(narrow, narrow, (3, 1), padding=(1, 0)),
        ),
    ]
    return ResidualBlock(branches, 2 * narrow, channels, scale, relu)


def _reduction_6a(channels: int, narrow: int, wide: int, wider: int) -> ReductionBlock:
    return ReductionBlock(
        [
            BasicConv2d(channels, wider, 3, stride=2),
            nn.Sequential(
                BasicConv2d(channels, narrow, 1),
                BasicConv2d(narrow, narrow, 3, padding=1),
                BasicConv2d(narrow, wide, 3, stride=2),
            ),
            nn.MaxPool2d(3, stride=2),
        ]
    )


def _reduction_7a(channels: int, narrow: int, wide: int) -> ReductionBlock:
    return ReductionBlock(
        [
            nn.Sequential(BasicConv2d(channels, narrow, 1), BasicConv2d(narrow, wide, 3, stride=2)),
            nn.Sequential(
                BasicConv2d(channels, narrow, 1), BasicConv2d(narrow, narrow, 3, stride=2)
            ),
            nn.Sequential(
                BasicConv2d(channels, narrow, 1),
                BasicConv2d(narrow, narrow, 3, padding=1),
                BasicConv2d(narrow, narrow, 3, stride=2),
            ),
            nn.MaxPool2d(3, stride=2),
        ]
    )
