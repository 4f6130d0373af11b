"""Fits the face quality network to measured recognition, calibrates and exports it."""

import zlib
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from app.faces.pipeline.quality_model import CROP_SIZE
from app.vectors import Matrix
from training.faces.quality_data import QualityData, drawn_crops, faceless_crops

_BATCH = 128
DRAWN_STYLES = ("emoji", "line", "flat")
"""Styles of drawings that the network is fitted to; it is measured on the others as well."""

_MISLABELLED = 0.1  # a clean photo below this mean cosine is probably of another person


class QualityNetwork(nn.Module):
    """Four convolutions and a linear layer: grey crops, shape (n, 1, 112, 112), to (n,).

    The first kernels are 8 pixels wide, so that they respond to the sharpness of the crop. In eval
    mode the output is sigmoid(slope * cosine + offset), in training mode the expected cosine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_layer(1, 24, 8, 4, 2), *_layer(24, 32), *_layer(32, 64), *_layer(64, 64)
        )
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(64 * 4 * 4, 1))
        self.calibration = nn.Parameter(torch.tensor([1.0, 0.0]), requires_grad=False)

    def cosine(self, crops: torch.Tensor) -> torch.Tensor:
        """Expected mean cosine with other photos of the person, shape (n,)."""
        features = self.features((crops - 127.5) / 64.0)
        return self.head(features.flatten(1))[:, 0]

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """The calibrated probability of a match, shape (n,)."""
        return torch.sigmoid(self.calibration[0] * self.cosine(crops) + self.calibration[1])


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A fitted network, and the threshold of the reference model that its scores refer to."""

    network: QualityNetwork
    threshold: float


def fit(
    data: QualityData, epochs: int, fmr: float, faceless: int = 500, drawn: int = 700, seed: int = 0
) -> Calibrated:
    """Fits the network to nine tenths of the people that are not held out.

    `faceless` images without a face, and `drawn` faces of each of DRAWN_STYLES, are added with the
    target 0. The other tenth of the people calibrates the output: a logistic regression of the
    matches on the cosine.
    """
    torch.manual_seed(seed)
    network = QualityNetwork()
    targets, calibrating = data.targets(), _calibrating(data)
    used = ~data.held_out & ~calibrating & (targets[:, 0] > _MISLABELLED)
    drawings = [drawn_crops(style, drawn, seed) for style in DRAWN_STYLES]
    empty = np.concatenate([faceless_crops(faceless), *drawings])
    images = np.concatenate([data.grey[used].reshape(-1, *empty.shape[1:]), empty])
    wanted = np.concatenate([targets[used].reshape(-1), np.zeros(len(empty))])
    _train(network, images, wanted.astype(np.float32), epochs, np.random.default_rng(seed))
    rows = ~data.held_out & calibrating
    clean, vectors = data.vectors[rows, 0], data.vectors[rows]
    same = data.identity[rows][:, None] == data.identity[rows][None]
    threshold = impostor_threshold(clean, same, fmr)
    np.fill_diagonal(same, False)
    matched = np.einsum("nvd,md->nvm", vectors, clean) >= threshold
    share = (matched * same[:, None]).sum(axis=2) / same.sum(axis=1)[:, None]
    predicted = predict(network, data.grey[rows].reshape(-1, CROP_SIZE, CROP_SIZE), cosine=True)
    _calibrate(network, predicted, share.reshape(-1))
    return Calibrated(network, threshold)


def impostor_threshold(vectors: Matrix, same: NDArray[np.bool_], fmr: float) -> float:
    """The cosine that a fraction `fmr` of the pairs of different people reaches."""
    upper = np.triu_indices(len(vectors), 1)
    return float(np.quantile((vectors @ vectors.T)[upper][~same[upper]], 1.0 - fmr))


@torch.inference_mode()
def predict(
    network: QualityNetwork, crops: NDArray[np.uint8], cosine: bool = False
) -> NDArray[np.float64]:
    """Scores of grey crops (n, size, size), or the expected cosines, shape (n,)."""
    network.eval()
    run = network.cosine if cosine else network
    parts = [
        run(torch.from_numpy(crops[start : start + 256])[:, None].float())
        for start in range(0, len(crops), 256)
    ]
    return torch.cat(parts).numpy().astype(np.float64)


def export(network: QualityNetwork) -> bytes:
    """The network as ONNX with a dynamic batch dimension."""
    program = torch.onnx.export(
        network.eval(),
        (torch.zeros(2, 1, CROP_SIZE, CROP_SIZE),),
        input_names=["crops"],
        output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        dynamo=True,
        external_data=False,
    )
    assert program is not None, "the exporter returns the program if no file name is given"
    model = program.model_proto
    for node in model.graph.node:  # paths of this machine and names of Python objects
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _layer(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 2, pad: int = 1
) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, pad, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _calibrating(data: QualityData) -> NDArray[np.bool_]:
    """A tenth of the identities, by a checksum that is independent of the held-out one."""
    return np.array([zlib.crc32(f"calibrate {name}".encode()) % 10 == 0 for name in data.identity])


def _train(
    network: QualityNetwork,
    images: NDArray[np.uint8],
    targets: NDArray[np.float32],
    epochs: int,
    rng: np.random.Generator,
) -> None:
    network.train()
    steps = len(images) // _BATCH
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps * epochs)
    for _ in tqdm(range(epochs), desc="fitting"):
        order = rng.permutation(len(images))
        for step in range(steps):
            rows = order[step * _BATCH : (step + 1) * _BATCH]
            crops = torch.from_numpy(images[rows])[:, None].float()
            flipped = torch.rand(len(rows)) < 0.5
            crops[flipped] = crops[flipped].flip(-1)
            light = torch.randn(2, len(rows), 1, 1, 1)
            crops = (crops * torch.exp(0.06 * light[0]) + 4.0 * light[1]).clamp(0, 255)
            loss = functional.smooth_l1_loss(
                network.cosine(crops), torch.from_numpy(targets[rows]), beta=0.1
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def _calibrate(
    network: QualityNetwork, cosine: NDArray[np.float64], share: NDArray[np.float64]
) -> None:
    """Logistic regression of the share of matches on the cosine, by Newton's method."""
    design = np.stack([cosine, np.ones_like(cosine)], axis=1)
    weights = np.zeros(2)
    for _ in range(30):
        probability = 1.0 / (1.0 + np.exp(-design @ weights))
        variance = probability * (1.0 - probability)
        hessian = design.T @ (design * variance[:, None]) + 1e-9 * np.eye(2)
        weights += np.linalg.solve(hessian, design.T @ (share - probability))
    network.calibration.data = torch.from_numpy(weights.astype(np.float32))
