"""Layers and blocks of the Inception-ResNet v1 (Szegedy et al. 2016)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks.pointwise import pointwise

BN_EPS = 1e-3
_SCALE_35, _SCALE_17, _SCALE_8 = 0.17, 0.10, 0.20  # residual scaling, section 3.3 of the paper


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
        self.bn = nn.BatchNorm2d(outputs, eps=BN_EPS, momentum=0.1)

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
        self.branches = len(branches)
        self.scale = scale
        self._relu = relu

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.get_submodule(f"branch{n}")(x) for n in range(self.branches)]
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


class LocalFeatures(nn.Module):
    """A few channels of each cell of a grid, in the order of the cells; none for 0 channels."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.reduce = BasicConv2d(inputs, channels, 1) if channels else None

    def forward(self, grid: Tensor) -> list[Tensor]:
        """Features (n, channels * cells) of the grid (n, inputs, h, w), or an empty list."""
        return [] if self.reduce is None else [self.reduce(grid).flatten(1)]


def block35(channels: int, narrow: int) -> ResidualBlock:
    """A residual block of the first grid."""
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


def block17(channels: int, narrow: int) -> ResidualBlock:
    """A residual block of the second grid."""
    branches = [
        BasicConv2d(channels, narrow, 1),
        nn.Sequential(
            BasicConv2d(channels, narrow, 1),
            BasicConv2d(narrow, narrow, (1, 7), padding=(0, 3)),
            BasicConv2d(narrow, narrow, (7, 1), padding=(3, 0)),
        ),
    ]
    return ResidualBlock(branches, 2 * narrow, channels, _SCALE_17, relu=True)


def block8(channels: int, narrow: int, scale: float = _SCALE_8, relu: bool = True) -> ResidualBlock:
    """A residual block of the last grid."""
    branches = [
        BasicConv2d(channels, narrow, 1),
        nn.Sequential(
            BasicConv2d(channels, narrow, 1),
            BasicConv2d(narrow, narrow, (1, 3), padding=(0, 1)),
            BasicConv2d(narrow, narrow, (3, 1), padding=(1, 0)),
        ),
    ]
    return ResidualBlock(branches, 2 * narrow, channels, scale, relu)


def reduction_6a(channels: int, narrow: int, wide: int, wider: int) -> ReductionBlock:
    """From the first grid to the second."""
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


def reduction_7a(channels: int, narrow: int, wide: int) -> ReductionBlock:
    """From the second grid to the last."""
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
