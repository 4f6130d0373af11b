"""Exports a trained network to ONNX, checks its parity with torch, and makes its manifest."""

import copy
import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from app.faces.pipeline.types import Image, Points
from app.inference.catalog.graphs import CROPS, EMBEDDINGS
from app.inference.manifest import (
    Accuracy,
    FivePoint,
    InputSpec,
    Manifest,
    Training,
    read_manifest,
    write_manifest,
)
from app.inference.session import OnnxSession
from training.faces.config import NetworkConfig
from training.faces.half_storage import round_weights, store_half
from training.networks.inception_blocks import BasicConv2d, ResidualBlock
from training.networks.inception_resnet_v1 import InceptionResnetV1

_PARITY = 1e-4
_FILE = "model.onnx"


def folded(network: InceptionResnetV1) -> InceptionResnetV1:
    """A copy in eval mode, as it is exported.

    Normalisations and residual scales are folded into the layers before them; large weights are
    rounded to half precision.
    """
    plain = copy.deepcopy(network).eval()
    for module in plain.modules():
        if isinstance(module, ResidualBlock):
            module.fold_scale()
        if isinstance(module, BasicConv2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    plain.last_linear = fuse_linear_bn_eval(plain.last_linear, plain.last_bn)
    plain.last_bn = nn.Identity()
    round_weights(plain)
    return plain


def export_onnx(network: InceptionResnetV1, size: int, folder: Path) -> bytes:
    """Write `model.onnx` with a dynamic batch dimension into `folder`. Returns its content."""
    folder.mkdir(parents=True, exist_ok=True)
    program = torch.onnx.export(
        folded(network),
        (torch.zeros(2, 3, size, size),),
        input_names=[CROPS],
        output_names=[EMBEDDINGS],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        dynamo=True,
        external_data=False,
    )
    assert program is not None, "the exporter returns the program if no file name is given"
    model = _without_metadata(program.model_proto)
    store_half(model)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    (folder / _FILE).write_bytes(content)
    return content


@torch.inference_mode()
def parity(
    network: InceptionResnetV1, exported: bytes, crops: list[Image], net: NetworkConfig
) -> float:
    """Largest absolute difference between the embeddings of torch and of ONNX Runtime.

    Torch computes the network as it was exported, with rounded weights.

    Raises ValueError if it is above 1e-4.
    """
    batch = np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32)
    batch = np.ascontiguousarray((batch - net.mean) / net.std, dtype=np.float32)
    expected = folded(network)(torch.from_numpy(batch)).numpy()
    found = OnnxSession(exported, ["CPUExecutionProvider"]).run(batch)[0]
    worst = float(np.abs(found - expected).max())
    if worst > _PARITY:
        raise ValueError(
            f"embeddings of ONNX Runtime and torch differ by {worst:.2e}; at most {_PARITY:.0e}"
            " is allowed"
        )
    return worst


def export_graph(path: Path) -> None:
    """Write the published network (width 1, 512-d) as ONNX with an input for every weight.

    `sima models pull` inserts the published weights, which makes torch unnecessary.
    """
    network = InceptionResnetV1().eval()
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 3, 160, 160),),
        input_names=[CROPS],
        output_names=[EMBEDDINGS],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        dynamo=True,
        external_data=False,
        optimize=False,
    )
    assert program is not None, "the exporter returns the program if no file name is given"
    model = _without_metadata(program.model_proto)
    weights = set(network.state_dict())
    for constant in list(model.graph.initializer):
        if constant.name in weights:
            value = onnx.helper.make_tensor_value_info(
                constant.name, constant.data_type, list(constant.dims)
            )
            model.graph.input.append(value)
            model.graph.initializer.remove(constant)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def _without_metadata(model: onnx.ModelProto) -> onnx.ModelProto:
    """Deletes the exporter's notes, which contain file paths of this machine."""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    return model


def manifest_for(
    folder: Path,
    name: str,
    title: str,
    net: NetworkConfig,
    template: Points,
    training: Training,
) -> Manifest:
    """The manifest of the ONNX file in `folder`, without a calibration table."""
    points = [(float(x), float(y)) for x, y in template]
    return Manifest(
        format=1,
        name=name,
        title=title,
        file=_FILE,
        sha256=hashlib.sha256((folder / _FILE).read_bytes()).hexdigest(),
        licence="Apache-2.0",
        dimension=net.dimension,
        input=InputSpec(
            size=net.size,
            channels="RGB",
            mean=(net.mean,) * 3,
            std=(net.std,) * 3,
            mirror=net.mirror,
        ),
        alignment=FivePoint.model_validate({"kind": "five-point", "template": points}),
        training=training,
    )


def record_accuracy(folder: Path, benchmark: str, measured: dict[str, float], command: str) -> None:
    """Replace the measured accuracy in the manifest in `folder`."""
    accuracy = tuple(
        Accuracy(benchmark=benchmark, metric=metric, value=round(value, 5), command=command)
        for metric, value in measured.items()
    )
    write_manifest(folder, read_manifest(folder).model_copy(update={"accuracy": accuracy}))
