"""Restores a trainable network from an exported ONNX file.

Export folds every batch normalisation into the layer before it, and every residual scale into the
block's last convolution. Both are undone exactly: with gamma = sqrt(variance + eps) and
beta = mean + bias a normalisation computes `x + bias` for any mean and variance, so the statistics
can be measured again without changing the network's output.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.inference.manifest import read_manifest, read_verified
from app.vectors import Matrix
from training.faces.augment import Augmentation, CropSpec
from training.faces.checkpoint import save_weights
from training.faces.config import NetworkConfig
from training.faces.crops import CropSet, held_out
from training.faces.half_storage import stored_weights
from training.faces.pixels import cut, to_network
from training.faces.targets import distillation_targets
from training.faces.teacher import TeacherFiles, template_of
from training.networks.inception_blocks import BasicConv2d, ResidualBlock
from training.networks.inception_resnet_v1 import InceptionResnetV1

_BATCH = 64
_STATISTICS_CROPS = 2_048
_REFIT_CROPS = 12_000
_STRENGTHS = (1e-3, 1e-2, 0.1, 1.0, 10.0)  # relative to the Gram matrix's mean diagonal element
_LEAST_VARIANCE = 1e-8


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """Crops and how the network takes them."""

    crops: CropSet
    spec: CropSpec
    network: NetworkConfig

    def batches(self, rows: NDArray[np.int64]) -> Iterator[Tensor]:
        """Augmented crops of `rows` in order, as normalised pixels."""
        rng = np.random.default_rng(0)
        for start in range(0, len(rows), _BATCH):
            pixels = cut(self.crops, rows[start : start + _BATCH], self.spec, Augmentation(), rng)
            yield to_network(pixels, self.network, torch.device("cpu"))


def unfold(
    model: Path, data: CropSet, teachers: TeacherFiles, run: Path, net: NetworkConfig, refit: bool
) -> Path:
    """Write `run/start.pt`, a checkpoint with the weights of the model folder `model`.

    `refit` replaces the last linear layer by a ridge regression onto the teachers' targets; this
    is needed when the teachers are not those of the model. Returns the checkpoint's path. Raises
    ValueError if the ONNX file is not an export of this architecture.
    """
    torch.manual_seed(0)
    manifest = read_manifest(model)
    content = read_verified(model / manifest.file, manifest.sha256)
    network = net.build()
    load_folded(network, content)
    trained = np.flatnonzero(~held_out(data))
    rows = np.random.default_rng(0).permutation(trained)
    inputs = NetworkInput(data, CropSpec(net.size, template_of(manifest)), net)
    set_statistics(network, inputs, rows[:_STATISTICS_CROPS])
    if refit:
        targets, _ = distillation_targets(run, teachers, data, net.dimension)
        chosen = rows[:_REFIT_CROPS]
        refit_last_layer(network, inputs, chosen, targets[chosen])
    path = run / "start.pt"
    save_weights(path, network)
    return path


def load_folded(network: InceptionResnetV1, content: bytes) -> None:
    """Load the weights of an exported ONNX file; every normalisation then computes `x + bias`.

    Raises ValueError if the file is not an export of the same architecture.
    """
    graph = onnx.load_from_string(content).graph
    stored = stored_weights(graph)
    try:
        network.load_state_dict(_unfolded_state(network, stored), strict=True)
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"the ONNX file is not an export of this network: {error}") from error


def _unfolded_state(network: InceptionResnetV1, stored: dict[str, Tensor]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, BasicConv2d):
            state[f"{name}.conv.weight"] = stored[f"{name}.conv.weight"]
            state |= _adding(f"{name}.bn", stored[f"{name}.conv.bias"], module.bn.eps)
        elif isinstance(module, ResidualBlock):
            for part in ("weight", "bias"):
                state[f"{name}.conv2d.{part}"] = stored[f"{name}.conv2d.{part}"] / module.scale
    state["last_linear.weight"] = stored["last_linear.weight"]
    return state | _adding("last_bn", stored["last_linear.bias"], network.last_bn.eps)


def _adding(name: str, bias: Tensor, eps: float) -> dict[str, Tensor]:
    """State of a normalisation that computes `x + bias` in eval mode."""
    return {
        f"{name}.weight": torch.ones_like(bias),
        f"{name}.bias": bias,
        f"{name}.running_mean": torch.zeros_like(bias),
        f"{name}.running_var": torch.full_like(bias, 1.0 - eps),
        f"{name}.num_batches_tracked": torch.tensor(0),
    }


@torch.inference_mode()
def set_statistics(
    network: InceptionResnetV1, inputs: NetworkInput, rows: NDArray[np.int64]
) -> None:
    """Measure the input of every normalisation on augmented crops and store it as its statistics.

    Requires the state that `load_folded` leaves. The network's output does not change in eval
    mode, up to rounding.
    """
    network.eval()
    moments: dict[nn.Module, list[Tensor]] = {}
    hooks = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            moments[module] = []
            hooks.append(module.register_forward_pre_hook(_recorder(moments[module])))
    for pixels in inputs.batches(rows):
        network(pixels)
    for hook in hooks:
        hook.remove()
    for layer, parts in moments.items():
        assert isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d), "only these have hooks"
        mean, square = torch.stack(parts).mean(dim=0)
        variance = (square - mean.square()).clamp_min(_LEAST_VARIANCE)
        _set_normalisation(layer, mean, variance, layer.bias)


def _recorder(parts: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    """A hook that appends each batch's first and second moments per channel."""

    def record(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].double()
        axes = [axis for axis in range(x.dim()) if axis != 1]
        parts.append(torch.stack([x.mean(dim=axes), x.square().mean(dim=axes)]))

    return record


def _set_normalisation(
    layer: nn.BatchNorm2d | nn.BatchNorm1d, mean: Tensor, variance: Tensor, bias: Tensor
) -> None:
    """Set the statistics of `layer` so that it computes `x + bias` in eval mode."""
    beta = (mean + bias).float()
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(variance)
    layer.weight.data.copy_((variance + layer.eps).sqrt())
    layer.bias.data.copy_(beta)


@torch.inference_mode()
def refit_last_layer(
    network: InceptionResnetV1, inputs: NetworkInput, rows: NDArray[np.int64], targets: Matrix
) -> None:
    """Fit the last linear layer by ridge regression from pooled features to `targets`.

    The weights are drawn towards the former ones, which were trained on far more crops: on held-out
    people this gave a cosine to the targets of 0.846, weights drawn towards zero 0.833 to 0.841
    (sima-face-7). `targets` are the unit vectors of `rows`, shape (len(rows), dimension).
    """
    network.eval()
    features: list[Tensor] = []
    hook = network.last_linear.register_forward_pre_hook(
        lambda _module, values: features.append(values[0].double())
    )
    for pixels in inputs.batches(rows):
        network(pixels)
    hook.remove()
    x, y = torch.cat(features), torch.from_numpy(targets).double()
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    weight = _ridge(x - mean_x, y - mean_y, network.last_linear.weight.double())
    network.last_linear.weight.copy_(weight)
    out = x @ weight.T
    _set_normalisation(network.last_bn, out.mean(dim=0), out.var(dim=0), mean_y - mean_x @ weight.T)


def _ridge(x: Tensor, y: Tensor, former: Tensor) -> Tensor:
    """Weights (outputs, inputs) that map x (n, inputs) to y (n, outputs), both centred.

    Ridge regression of what a multiple of the weights `former` leaves; a tenth of the rows decides
    its strength. The multiple is that of least squares: close to zero where `former` was trained
    for other targets.
    """
    before = x @ former.T
    scale = (before * y).sum() / before.square().sum()
    rest, last = y - scale * before, len(x) // 10
    fitted, unseen = slice(last, None), slice(0, last)

    def error(strength: float) -> float:
        change = _solve(x[fitted], rest[fitted], strength)
        return float((rest[unseen] - x[unseen] @ change.T).square().mean())

    return scale * former + _solve(x, rest, min(_STRENGTHS, key=error))


def _solve(x: Tensor, y: Tensor, strength: float) -> Tensor:
    gram = x.T @ x
    gram += strength * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return torch.linalg.solve(gram, x.T @ y).T
