"""YuNet face detector (Wu et al. 2023) in OpenCV; its ONNX file is not part of the project."""

import threading
from pathlib import Path

import cv2
import numpy as np

from app.errors import ModelError
from app.faces.pipeline.detect import largest_first
from app.faces.pipeline.types import Box, Detection, Image


class YuNet:
    """The detector. Uses one OpenCV object per thread, because the object is stateful.

    Raises ModelError if the file is missing or not a YuNet model.
    """

    name = "yunet"

    def __init__(self, file: Path, score: float = 0.7, min_face: int = 24) -> None:
        if not file.is_file():
            raise ModelError(
                f"{file} does not exist; set SIMA_DETECTOR to mtcnn or to the path of a YuNet file"
            )
        self._file, self._score, self._min_face = file, score, min_face
        self._local = threading.local()
        self._detector()  # detects an invalid file at start-up instead of in a request

    def detect(self, image: Image) -> list[Detection]:
        """Returns faces of at least `min_face` pixels, largest first."""
        detector = self._detector()
        detector.setInputSize((image.shape[1], image.shape[0]))
        _, rows = detector.detect(np.ascontiguousarray(image[:, :, ::-1]))
        if rows is None:
            return []
        # Columns: x, y, width, height, five points (eyes, nose, mouth; viewer's left first), score.
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
                raise ModelError(f"{self._file} is not a YuNet model") from error
            self._local.detector = detector
        return detector
