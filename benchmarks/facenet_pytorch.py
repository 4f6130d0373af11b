"""facenet-pytorch's pipeline under torch eager: PIL, MTCNN and the full network.

facenet-pytorch imports torchvision for two functions, and a torchvision fits one version of torch
only. Where it is missing, they are replaced here: non-maximum suppression by OpenCV's compiled one,
the conversion of an image to a tensor by torch.
"""

import importlib
import importlib.util
import io
import sys
import types
from collections.abc import Callable
from contextlib import AbstractContextManager

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from training.networks.published import published_network

Stage = Callable[[str], AbstractContextManager[None]]


class FacenetPytorch:
    """One detector and the network with random weights, whose speed does not depend on them.

    `longest_side` reduces photos before the detection, as Sima's preview; None: no reduction.
    """

    def __init__(self, min_face: int, longest_side: int | None = None, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self._network = published_network()  # makes the package importable without torchvision
        if "torchvision" not in sys.modules and importlib.util.find_spec("torchvision") is None:
            _replace_torchvision()
        mtcnn = importlib.import_module("facenet_pytorch.models.mtcnn").MTCNN
        self._detector = mtcnn(min_face_size=min_face, keep_all=True, device="cpu").eval()
        self._longest_side = longest_side

    def analyze(self, data: bytes, stage: Stage) -> int:
        """Embeds all faces of an image file; returns their number."""
        with stage("decode"):
            photo = Pillow.open(io.BytesIO(data)).convert("RGB")
            if self._longest_side is not None:
                photo.thumbnail((self._longest_side, self._longest_side))
        with stage("detect"):
            boxes, _ = self._detector.detect(photo)
        if boxes is None:
            return 0
        with stage("align"):
            faces = self._detector.extract(photo, boxes, None)
        with stage("embed"), torch.inference_mode():
            self._network(faces)
        return len(boxes)


def _replace_torchvision() -> None:
    functional = types.ModuleType("torchvision.transforms.functional")
    functional.to_tensor = _to_tensor  # type: ignore[attr-defined]  # modules take any attribute
    boxes = types.ModuleType("torchvision.ops.boxes")
    boxes.batched_nms = _batched_nms  # type: ignore[attr-defined]  # modules take any attribute
    transforms, ops = (
        types.ModuleType("torchvision.transforms"),
        types.ModuleType("torchvision.ops"),
    )
    transforms.functional = functional  # type: ignore[attr-defined]  # modules take any attribute
    ops.boxes = boxes  # type: ignore[attr-defined]  # modules take any attribute
    for module in (types.ModuleType("torchvision"), transforms, functional, ops, boxes):
        sys.modules[module.__name__] = module


def _to_tensor(image: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def _batched_nms(
    boxes: torch.Tensor, scores: torch.Tensor, groups: torch.Tensor, limit: float
) -> torch.Tensor:
    if not len(boxes):
        return torch.empty(0, dtype=torch.int64)
    corners = boxes.double().numpy()
    sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    values, ids = scores.numpy(), groups.int().numpy()
    # The stubs of OpenCV ask for lists, which it converts more slowly than arrays.
    rows = cv2.dnn.NMSBoxesBatched(sides, values, ids, 0.0, limit)  # type: ignore[arg-type]
    return torch.from_numpy(np.asarray(rows, dtype=np.int64).reshape(-1))
