"""A trained network as an ONNX file with its manifest, once it answers as torch does."""

import copy
import hashlib
import tomllib
from pathlib import Path

import numpy as np
import onnx
import tomli_w
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from app.faces.types import Image, Points
from app.inference.manifest import MANIFEST_NAME, Accuracy, Calibration, Training
from app.inference.session import OnnxSession
from training.faces.config import NetworkConfig
from training.networks.inception_resnet_v1 import BasicConv2d, InceptionResnetV1

_PARITY = 1e-4
_FILE = "model.onnx"


def fold_batch_norm(network: InceptionResnetV1) -> InceptionResnetV1:
    """A copy in eval mode whose normalisations are part of the layers before them."""
    folded = copy.deepcopy(network).eval()
    for module in folded.modules():
        if isinstance(module, BasicConv2d):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)
            module.bn = nn.Identity()
    folded.last_linear = fuse_linear_bn_eval(folded.last_linear, folded.last_bn)
    folded.last_bn = nn.Identity()
    return folded


def export_onnx(network: InceptionResnetV1, size: int, folder: Path) -> bytes:
    """Write `model.onnx` with a dynamic batch into `folder`; returns its bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    program = torch.onnx.export(
        fold_batch_norm(network),
        (torch.zeros(2, 3, size, size),),
        input_names=["crops"],
        output_names=["embeddings"],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        dynamo=True,
        external_data=False,
    )
    assert program is not None, "without a file name the exporter returns the program"
    model = program.model_proto
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]  # the exporter notes the paths of this machine there
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    (folder / _FILE).write_bytes(content)
    return content


@torch.inference_mode()
def parity(
    network: InceptionResnetV1, exported: bytes, crops: list[Image], net: NetworkConfig
) -> float:
    """Largest absolute difference of an embedding's component, torch against ONNX Runtime."""
    batch = np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32)
    batch = np.ascontiguousarray((batch - net.mean) / net.std, dtype=np.float32)
    expected = network.eval()(torch.from_numpy(batch)).numpy()
    found = OnnxSession(exported, ["CPUExecutionProvider"]).run(batch)[0]
    worst = float(np.abs(found - expected).max())
    if worst > _PARITY:
        raise ValueError(f"ONNX differs from torch by {worst:.2e}; {_PARITY:.0e} is allowed")
    return worst


def write_manifest(
    folder: Path,
    name: str,
    title: str,
    net: NetworkConfig,
    template: Points,
    training: Training,
    calibration: Calibration | None,
    accuracy: tuple[Accuracy, ...],
) -> None:
    """`manifest.toml` for the ONNX file in `folder`."""
    digest = hashlib.sha256((folder / _FILE).read_bytes()).hexdigest()
    content: dict[str, object] = {
        "format": 1,
        "name": name,
        "title": title,
        "file": _FILE,
        "sha256": digest,
        "licence": "Apache-2.0",
        "dimension": net.dimension,
        "input": {
            "size": net.size,
            "channels": "RGB",
            "mean": [net.mean] * 3,
            "std": [net.std] * 3,
            "mirror": net.mirror,
        },
        "alignment": {
            "kind": "five-point",
            "template": [[float(x), float(y)] for x, y in template],
        },
        "training": training.model_dump(),
        "accuracy": [entry.model_dump() for entry in accuracy],
    }
    if calibration is not None:
        content["calibration"] = calibration.model_dump()
    (folder / MANIFEST_NAME).write_text(tomli_w.dumps(content), encoding="utf-8")


def record_accuracy(folder: Path, benchmark: str, measured: dict[str, float], command: str) -> None:
    """Put measured numbers into the manifest in `folder`, in place of older ones."""
    path = folder / MANIFEST_NAME
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    content["accuracy"] = [
        Accuracy(
            benchmark=benchmark, metric=metric, value=round(value, 5), command=command
        ).model_dump()
        for metric, value in measured.items()
    ]
    path.write_text(tomli_w.dumps(content), encoding="utf-8")
