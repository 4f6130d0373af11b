"""YuNet (Wu et al. 2023) through OpenCV, for whoever has its ONNX file."""

import threading
from pathlib import Path

import cv2
import numpy as np

from app.errors import ModelError
from app.faces.pipeline.detect import largest_first
from app.faces.pipeline.types import Box, Detection, Image


class YuNet:
    """A faster detector behind the same protocol. One OpenCV object a thread: it keeps state."""

    name = "yunet"

    def __init__(self, file: Path, score: float = 0.7, min_face: int = 24) -> None:
        if not file.is_file():
            raise ModelError(f"no detector file at {file}")
        self._file, self._score, self._min_face = file, score, min_face
        self._local = threading.local()
        self._detector()  # a broken file is found at the start, not in a request

    def detect(self, image: Image) -> list[Detection]:
        """Every face, largest first."""
        detector = self._detector()
        detector.setInputSize((image.shape[1], image.shape[0]))
        _, rows = detector.detect(np.ascontiguousarray(image[:, :, ::-1]))
        if rows is None:
            return []
        # A row: x, y, width, height, five points (eyes, nose, mouth; viewer's left first), score.
        found = [
            Detection(
                Box(*(float(value) for value in row[:4])),
                row[4:14].reshape(5, 2).astype(np.float64),
                float(row[14]),
            )
            for row in rows
        ]
        return largest_first([f for f in found if min(f.box.width, f.box.height) >= self._min_face])

    def _detector(self) -> "cv2.FaceDetectorYN":
        detector: cv2.FaceDetectorYN | None = getattr(self._local, "detector", None)
        if detector is None:
            try:
                detector = cv2.FaceDetectorYN.create(
                    str(self._file), "", (320, 320), self._score, 0.3
                )
            except cv2.error as error:
                raise ModelError(f"{self._file.name} is not a YuNet file") from error
            self._local.detector = detector
        return detector
