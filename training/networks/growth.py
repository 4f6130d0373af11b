"""Loads the weights of a smaller network, so that the larger one computes the same at first.

After Chen et al. 2016 (Net2Net), but new filters and blocks are random, and the weights that read
their outputs are zero until training changes them.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.networks.inception_blocks import ResidualBlock
from training.networks.inception_resnet_v1 import InceptionResnetV1

_REPEATED_BLOCK = re.compile(r"repeat_[0-3]\.[0-9]+(?=\.)")


@torch.no_grad()
def load_smaller(network: InceptionResnetV1, state: Mapping[str, Tensor]) -> None:
    """Load the weights `state` of a network of equal size, or of a smaller one.

    The smaller one may have fewer residual blocks, narrower branches in them, and no local
    features. Raises RuntimeError for weights of another network.
    """
    grown = _with_local_features(network, state)
    for name, block in network.named_modules():
        if isinstance(block, ResidualBlock):
            grown |= _with_wider_branches(name, block, grown)
    lacking = network.load_state_dict(grown, strict=False)
    missing = [key for key in lacking.missing_keys if not key.startswith(("local_35", "local_17"))]
    blocks = [_REPEATED_BLOCK.match(key) for key in missing]
    if lacking.unexpected_keys or not all(blocks):
        network.load_state_dict(state)  # raises, and names the difference
    for name in {found.group() for found in blocks if found}:
        last = network.get_submodule(f"{name}.conv2d")
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None, "the convolution has a bias"
        last.weight.zero_()
        last.bias.zero_()


def _with_local_features(
    network: InceptionResnetV1, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """`state` with zeros for the local features that its last layer lacks."""
    grown = dict(state)
    last = grown.get("last_linear.weight")
    if last is not None and not any(key.startswith("local_") for key in state):
        lacking = network.last_linear.in_features - last.shape[1]
        grown["last_linear.weight"] = functional.pad(last, (0, max(0, lacking)))
    return grown


def _with_wider_branches(
    name: str, block: ResidualBlock, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The weights of `block`, named `name`, for the width of its branches.

    Empty if `state` lacks the block. New filters are those of `block`; the filters that were there
    and the block's last convolution have zeros for them.
    """
    own = {f"{name}.{key}": value for key, value in block.state_dict().items()}
    if not own.keys() <= state.keys():
        return {}
    last = f"{name}.conv2d.weight"
    return {
        key: _side_by_side(value, state[key], block.branches)
        if key == last
        else _padded(value, state[key])
        for key, value in own.items()
    }


def _padded(own: Tensor, stored: Tensor) -> Tensor:
    """`own` with `stored` in its first rows, and zeros in the columns of these rows beyond it."""
    if own.dim() != stored.dim() or any(
        mine < theirs for mine, theirs in zip(own.shape, stored.shape, strict=True)
    ):
        return stored  # another network: loading it raises
    if stored.dim() == 0:  # the number of batches of a normalisation
        return stored
    grown, rows = own.clone(), len(stored)
    if stored.dim() == 1:
        grown[:rows] = stored
    else:
        grown[:rows] = 0.0
        grown[:rows, : stored.shape[1]] = stored
    return grown


def _side_by_side(own: Tensor, stored: Tensor, branches: int) -> Tensor:
    """Weights (outputs, inputs, 1, 1) of a convolution over the concatenated outputs of branches.

    The columns of `stored` come first in those of their branch; the others are zero.
    """
    outputs, inputs = stored.shape[:2]
    lacking = (own.shape[1] - inputs) // branches
    parts = stored.reshape(outputs, branches, inputs // branches)
    return functional.pad(parts, (0, max(0, lacking))).reshape(outputs, -1, 1, 1)
