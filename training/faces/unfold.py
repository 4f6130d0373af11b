"""Turns a shipped ONNX file back into a network that can be trained further.

Export folds every batch normalisation into the layer before it and every residual scale into the
block's last convolution. Both can be undone exactly: a normalisation whose gamma is
sqrt(variance + eps) and whose beta is mean + bias only adds the folded bias.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from app.inference.manifest import read_manifest, read_verified
from app.vectors import Matrix
from training.faces.augment import Augmentation
from training.faces.batches import CropSpec, cut, to_network
from training.faces.checkpoint import save_weights
from training.faces.config import NetworkConfig
from training.faces.crops import CropSet, held_out
from training.faces.targets import distillation_targets
from training.faces.teacher import TeacherFiles, template_of
from training.networks.inception_resnet_v1 import BasicConv2d, InceptionResnetV1, ResidualBlock

_BATCH = 64
_STATISTICS_CROPS = 2_048
_REFIT_CROPS = 12_000
_RIDGE = 1e-3  # relative to the mean squared feature


def unfold(
    model: Path, data: CropSet, teachers: TeacherFiles, run: Path, net: NetworkConfig, refit: bool
) -> Path:
    """Write `run/start.pt`, a checkpoint with the weights of the model folder `model`.

    With `refit` the last linear layer is fitted anew to the teachers' targets by ridge
    regression, which any change of teachers needs. Raises ValueError where the file is not an
    export of this architecture. Returns the checkpoint's path.
    """
    torch.manual_seed(0)
    manifest = read_manifest(model)
    content = read_verified(model / manifest.file, manifest.sha256)
    network = InceptionResnetV1(net.dimension, net.width)
    _load_folded(network, content)
    seen = np.flatnonzero(~held_out(data))
    rows = np.random.default_rng(0).permutation(seen)
    spec = CropSpec(net.size, template_of(manifest))
    _set_statistics(network, data, rows[:_STATISTICS_CROPS], spec, net)
    if refit:
        targets, _ = distillation_targets(run, teachers, data, net.dimension)
        chosen = rows[:_REFIT_CROPS]
        _refit_last_layer(network, data, chosen, targets[chosen], spec, net)
    path = run / "start.pt"
    save_weights(path, network)
    return path


def _load_folded(network: InceptionResnetV1, content: bytes) -> None:
    """Load the folded weights; every normalisation then adds the bias and does nothing else."""
    graph = onnx.load_from_string(content).graph
    stored = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
    state: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, BasicConv2d):
            state[f"{name}.conv.weight"] = stored[f"{name}.conv.weight"]
            state |= _pass_through(f"{name}.bn", stored[f"{name}.conv.bias"], module.bn.eps)
        elif isinstance(module, ResidualBlock):
            for part in ("weight", "bias"):
                state[f"{name}.conv2d.{part}"] = stored[f"{name}.conv2d.{part}"] / module.scale
    state["last_linear.weight"] = stored["last_linear.weight"]
    state |= _pass_through("last_bn", stored["last_linear.bias"], network.last_bn.eps)
    try:
        network.load_state_dict(state, strict=True)
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"the ONNX file is not an export of this network: {error}") from error


def _pass_through(name: str, bias: Tensor, eps: float) -> dict[str, Tensor]:
    """State of a normalisation that computes `x + bias` in eval mode."""
    return {
        f"{name}.weight": torch.ones_like(bias),
        f"{name}.bias": bias,
        f"{name}.running_mean": torch.zeros_like(bias),
        f"{name}.running_var": torch.full_like(bias, 1.0 - eps),
        f"{name}.num_batches_tracked": torch.tensor(0),
    }


@torch.inference_mode()
def _set_statistics(
    network: InceptionResnetV1,
    data: CropSet,
    rows: np.ndarray,
    spec: CropSpec,
    net: NetworkConfig,
) -> None:
    """Measure every normalisation's input on augmented crops and make it that layer's state."""
    network.eval()
    sums: dict[nn.Module, list[Tensor]] = {}
    hooks = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            sums[module] = []
            hooks.append(module.register_forward_pre_hook(_recorder(sums[module])))
    for pixels in _batches(data, rows, spec, Augmentation(), net):
        network(pixels)
    for hook in hooks:
        hook.remove()
    for layer, parts in sums.items():
        assert isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d), "only those were hooked"
        mean, square = torch.stack(parts).mean(dim=0)
        _set_normalisation(layer, mean, (square - mean.square()).clamp_min(1e-8), layer.bias)


def _recorder(parts: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def record(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].double()
        axes = [axis for axis in range(x.dim()) if axis != 1]
        parts.append(torch.stack([x.mean(dim=axes), x.square().mean(dim=axes)]))

    return record


def _set_normalisation(
    layer: nn.BatchNorm2d | nn.BatchNorm1d, mean: Tensor, variance: Tensor, bias: Tensor
) -> None:
    """Give `layer` these statistics while it goes on to compute `x + bias` in eval mode."""
    beta = (mean + bias).float()
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(variance)
    layer.weight.data.copy_((variance + layer.eps).sqrt())
    layer.bias.data.copy_(beta)


@torch.inference_mode()
def _refit_last_layer(
    network: InceptionResnetV1,
    data: CropSet,
    rows: np.ndarray,
    targets: Matrix,
    spec: CropSpec,
    net: NetworkConfig,
) -> None:
    """Ridge regression from the pooled features of lightly augmented crops to the targets."""
    network.eval()
    features: list[Tensor] = []
    hook = network.last_linear.register_forward_pre_hook(
        lambda _module, inputs: features.append(inputs[0].double())
    )
    for pixels in _batches(data, rows, spec, Augmentation(), net):
        network(pixels)
    hook.remove()
    x, y = torch.cat(features), torch.from_numpy(targets).double()
    middle_x, middle_y = x.mean(dim=0), y.mean(dim=0)
    centred = x - middle_x
    gram = centred.T @ centred
    gram += _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weight = torch.linalg.solve(gram, centred.T @ (y - middle_y)).T
    network.last_linear.weight.copy_(weight)
    out = x @ weight.T
    bias = middle_y - middle_x @ weight.T
    _set_normalisation(network.last_bn, out.mean(dim=0), out.var(dim=0), bias)


def _batches(
    data: CropSet, rows: np.ndarray, spec: CropSpec, how: Augmentation, net: NetworkConfig
) -> Iterator[Tensor]:
    rng = np.random.default_rng(0)
    for start in range(0, len(rows), _BATCH):
        pixels = cut(data, rows[start : start + _BATCH], spec, how, rng)
        yield to_network(pixels, net.mean, net.std, torch.device("cpu"))
