"""MTCNN face detector (Zhang et al. 2016): proposal, refinement and landmark networks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.faces.pipeline.detect import Boxes, largest_first, suppress, suppress_by_smaller
from app.faces.pipeline.mtcnn_graphs import build_stage
from app.faces.pipeline.mtcnn_weights import Stage
from app.faces.pipeline.resampling import Halvings
from app.faces.pipeline.types import Box, Detection, Image
from app.inference.session import OnnxSession

Scores = NDArray[np.float64]

_CELL, _STRIDE = 12, 2  # P-Net's receptive field and stride in pixels
_PYRAMID = 0.709  # scale between the levels; halves the area


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
        halvings = Halvings(image)
        boxes = self._proposals(halvings, _levels(image, self._settings.min_face))
        if len(boxes):
            boxes = self._refined(halvings, boxes)
        return largest_first(self._final(halvings, boxes)) if len(boxes) else []

    def _proposals(self, image: Halvings, levels: Iterable[tuple[float, tuple[int, int]]]) -> Boxes:
        """Returns square boxes, best first, from the scale and size of each level."""
        found: list[Boxes] = []
        scored: list[Scores] = []
        for scale, size in levels:
            level, extent = image.level(size)
            offsets, scores = self._propose.run(level[None])
            threshold = self._settings.proposal_score
            boxes, confident = _windows(offsets[0], scores[0, 0], threshold)
            found.append(boxes * [*extent, *extent] / scale)
            scored.append(confident)
        if not found:
            return np.empty((0, 4))
        groups = np.repeat(np.arange(len(found)), [len(boxes) for boxes in found])
        boxes, confident = np.concatenate(found), np.concatenate(scored)
        best = suppress(boxes, confident, 0.5, groups)[: self._settings.max_proposals]
        boxes, confident = boxes[best], confident[best]
        return _square(boxes[suppress(boxes, confident, 0.7)])

    def _refined(self, image: Halvings, boxes: Boxes) -> Boxes:
        offsets, scores = self._refine.run(image.patches(boxes, 24))
        good = scores[:, 0] > self._settings.refined_score
        boxes = _move(boxes[good], offsets[good])
        return _square(boxes[suppress(boxes, scores[good, 0].astype(np.float64), 0.7)])

    def _final(self, image: Halvings, boxes: Boxes) -> list[Detection]:
        offsets, landmarks, scores = self._output.run(image.patches(boxes, 48))
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


def _levels(image: Image, min_face: int) -> Iterator[tuple[float, tuple[int, int]]]:
    """Yields scale, width and height of each level while it is larger than P-Net's field."""
    scale = _CELL / min_face
    height, width = image.shape[:2]
    while min(height, width) * scale >= _CELL:
        yield scale, (max(1, round(width * scale)), max(1, round(height * scale)))
        scale *= _PYRAMID


def _windows(
    offsets: NDArray[np.float32], scores: NDArray[np.float32], threshold: float
) -> tuple[Boxes, Scores]:
    """Returns boxes, in pixels of the level, and scores of the windows above `threshold`."""
    found = np.flatnonzero(scores > threshold)
    rows, columns = np.divmod(found, scores.shape[1])
    corner = np.stack([columns, rows], axis=1) * _STRIDE
    window = np.concatenate([corner, corner + _CELL], axis=1)
    moved: Boxes = window + offsets.reshape(4, -1)[:, found].T.astype(np.float64) * _CELL
    return moved, scores.ravel()[found].astype(np.float64)


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


def _to_box(corners: NDArray[np.float64]) -> Box:
    left, top, right, bottom = (float(value) for value in corners)
    return Box(left, top, right - left, bottom - top)
