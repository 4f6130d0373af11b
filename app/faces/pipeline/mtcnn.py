"""MTCNN face detector (Zhang et al. 2016): proposal, refinement and landmark networks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.faces.pipeline.detect import Boxes, largest_first, suppress, suppress_by_smaller
from app.faces.pipeline.mtcnn_graphs import build_stage
from app.faces.pipeline.mtcnn_weights import Stage
from app.faces.pipeline.types import Box, Detection, Image
from app.inference.session import OnnxSession

Scores = NDArray[np.float64]

_CELL, _STRIDE = 12, 2  # P-Net's receptive field and stride in pixels
_PYRAMID = 0.709  # scale between the levels; halves the area
_LEAST_REDUCTION = 2.0  # from a halved image to a level; with 1.5 fewer faces were found


@dataclass(frozen=True, slots=True)
class MtcnnSettings:
    """Score thresholds of the three stages; `min_face` is in pixels of the given image.

    In an image without a face above `final_score`, faces above `faint_score` are returned. Both
    thresholds of the last stage are published: 0.8 in the package that the weights are from, 0.7
    by Zhang et al. and in facenet-pytorch.
    """

    min_face: int = 40
    proposal_score: float = 0.6
    refined_score: float = 0.7
    final_score: float = 0.8
    faint_score: float = 0.7
    max_proposals: int = 400


class Mtcnn:
    """The detector. Thread-safe, because its only state is sessions."""

    name = "mtcnn"

    def __init__(
        self, providers: Sequence[str], settings: MtcnnSettings | None = None, threads: int = 1
    ) -> None:
        self._settings = settings or MtcnnSettings()

        def stage(name: Stage) -> OnnxSession:
            return OnnxSession(build_stage(name), providers, threads)

        self._propose, self._refine, self._output = stage("pnet"), stage("rnet"), stage("onet")

    def detect(self, image: Image) -> list[Detection]:
        """Returns faces of at least `min_face` pixels, largest first."""
        boxes = self._proposals(image)
        if len(boxes):
            boxes = self._refined(image, boxes)
        return largest_first(self._final(image, boxes)) if len(boxes) else []

    def _proposals(self, image: Image) -> Boxes:
        found: list[Boxes] = []
        scored: list[Scores] = []
        for scale, level in _pyramid(image, self._settings.min_face):
            offsets, scores = self._propose.run(level[None])
            threshold = self._settings.proposal_score
            boxes, confident = _windows(offsets[0], scores[0, 0], scale, threshold)
            found.append(boxes)
            scored.append(confident)
        if not found:
            return np.empty((0, 4))
        levels = np.repeat(np.arange(len(found)), [len(boxes) for boxes in found])
        boxes, confident = np.concatenate(found), np.concatenate(scored)
        best = suppress(boxes, confident, 0.5, levels)[: self._settings.max_proposals]
        boxes, confident = boxes[best], confident[best]
        return _square(boxes[suppress(boxes, confident, 0.7)])

    def _refined(self, image: Image, boxes: Boxes) -> Boxes:
        offsets, scores = self._refine.run(_patches(image, boxes, 24))
        good = scores[:, 0] > self._settings.refined_score
        boxes = _move(boxes[good], offsets[good])
        return _square(boxes[suppress(boxes, scores[good, 0].astype(np.float64), 0.7)])

    def _final(self, image: Image, boxes: Boxes) -> list[Detection]:
        offsets, landmarks, scores = self._output.run(_patches(image, boxes, 48))
        best = float(scores[:, 0].max(initial=0.0))
        settings = self._settings
        clear = best > settings.final_score
        good = scores[:, 0] > (settings.final_score if clear else settings.faint_score)
        boxes, offsets, landmarks = boxes[good], offsets[good], landmarks[good]
        confident = scores[good, 0].astype(np.float64)
        sides = boxes[:, None, 2:] - boxes[:, None, :2] + 1.0
        # Five x, then five y, as fractions of the box.
        fractions = np.stack([landmarks[:, :5], landmarks[:, 5:]], axis=2)
        points = boxes[:, None, :2] + fractions * sides - 1.0
        boxes = _move(boxes, offsets)
        return [
            Detection(_to_box(boxes[row]), points[row].astype(np.float64), float(confident[row]))
            for row in suppress_by_smaller(boxes, confident, 0.7)
        ]


def _pyramid(image: Image, min_face: int) -> Iterator[tuple[float, Image]]:
    """Yields the scale and the resized image while it is larger than P-Net's receptive field.

    A level is resized from the image halved as often as possible, which is several times as fast
    as from the whole image.
    """
    scale = _CELL / min_face
    height, width = image.shape[:2]
    source = image
    while min(height, width) * scale >= _CELL:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        while source.shape[1] >= 2 * _LEAST_REDUCTION * size[0]:
            source = _resized(source, (-(-source.shape[1] // 2), -(-source.shape[0] // 2)))
        yield scale, _resized(source, size)
        scale *= _PYRAMID


def _resized(image: Image, size: tuple[int, int]) -> Image:
    """Returns the image in another size (width, height)."""
    smooth = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=smooth), dtype=np.uint8)


def _windows(
    offsets: NDArray[np.float32], scores: NDArray[np.float32], scale: float, threshold: float
) -> tuple[Boxes, Scores]:
    """Returns boxes in pixels of the original image and scores of the windows above `threshold`."""
    found = np.flatnonzero(scores > threshold)
    rows, columns = np.divmod(found, scores.shape[1])
    corner = np.stack([columns, rows], axis=1) * _STRIDE
    window = np.concatenate([corner, corner + _CELL], axis=1)
    moved: Boxes = window + offsets.reshape(4, -1)[:, found].T.astype(np.float64) * _CELL
    return moved / scale, scores.ravel()[found].astype(np.float64)


def _move(boxes: Boxes, offsets: NDArray[np.float32]) -> Boxes:
    """Moves each corner by its offset, a fraction of the box's side."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1.0
    moved: Boxes = boxes + offsets * np.concatenate([sides, sides], axis=1)
    return moved


def _square(boxes: Boxes) -> Boxes:
    """Extends the shorter side symmetrically to the length of the longer one."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _patches(image: Image, boxes: Boxes, size: int) -> Image:
    """Returns the resized boxes, shape (n, size, size, 3), black outside the image."""
    height, width = image.shape[:2]
    out = np.zeros((len(boxes), size, size, 3), dtype=np.uint8)
    for row, (left, top, right, bottom) in enumerate(np.rint(boxes).astype(int)):
        inside = image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
        if not inside.size:
            continue
        if left < 0 or top < 0 or right > width or bottom > height:
            inside = cv2.copyMakeBorder(
                inside,
                max(0, -top),
                max(0, bottom - height),
                max(0, -left),
                max(0, right - width),
                cv2.BORDER_CONSTANT,
            )
        smooth = cv2.INTER_AREA if inside.shape[0] > size else cv2.INTER_LINEAR
        out[row] = cv2.resize(inside, (size, size), interpolation=smooth)
    return out


def _to_box(corners: NDArray[np.float64]) -> Box:
    left, top, right, bottom = (float(value) for value in corners)
    return Box(left, top, right - left, bottom - top)
