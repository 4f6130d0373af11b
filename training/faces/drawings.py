"""Draws simple faces, so that the quality network learns that a drawing cannot be recognised.

The detector finds many drawings, since they have eyes, a nose and a mouth in the right places. A
face embedder says nothing useful about them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from app.faces.pipeline.types import Image, Points

_SIDE = 320  # pixels of the square canvas
_SMOOTH = cv2.LINE_AA

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn face: RGB (320, 320, 3) uint8, and its landmarks (5, 2) in pixels."""

    image: Image
    landmarks: Points


@dataclass(frozen=True, slots=True)
class _Proportions:
    """Positions and sizes of a face in pixels; `eye` is the half distance between the eyes."""

    x: float
    y: float
    width: float
    height: float
    eye: float
    eye_y: float
    nose_y: float
    mouth: float
    mouth_y: float

    @property
    def landmarks(self) -> Points:
        """Eyes, nose, corners of the mouth."""
        return np.array(
            [
                [self.x - self.eye, self.eye_y],
                [self.x + self.eye, self.eye_y],
                [self.x, self.nose_y],
                [self.x - self.mouth, self.mouth_y],
                [self.x + self.mouth, self.mouth_y],
            ]
        )


def drawing(style: str, rng: Generator) -> Drawing:
    """A random face in one of STYLES, sometimes shaded, blurred or noisy."""
    face = _proportions(rng)
    canvas = np.full((_SIDE, _SIDE, 3), _colour(rng), dtype=np.uint8)
    STYLES[style](canvas, face, rng)
    return Drawing(_finished(canvas, rng), face.landmarks)


def _emoji(canvas: Image, face: _Proportions, rng: Generator) -> None:
    """A filled circle with dots for eyes and an arc for a mouth."""
    radius = 0.5 * (face.width + face.height)
    _ellipse(canvas, face.x, face.y, radius, radius, _colour(rng, 120))
    if rng.random() < 0.5:
        _ellipse(canvas, face.x, face.y, radius, radius, (0, 0, 0), int(rng.integers(2, 7)))
    dark, size = _colour(rng, 0, 80), face.eye * rng.uniform(0.15, 0.4)
    for x in (face.x - face.eye, face.x + face.eye):
        _ellipse(canvas, x, face.eye_y, size, size * rng.uniform(0.8, 1.8), dark)
    _mouth_arc(canvas, face, dark, int(rng.integers(3, 10)), rng)


def _line(canvas: Image, face: _Proportions, rng: Generator) -> None:
    """Thin lines on paper: outline, almond eyes with pupils, nose, mouth, strokes of hair."""
    canvas[:] = _colour(rng, 200)
    ink, width = _colour(rng, 0, 110), int(rng.integers(1, 5))
    _ellipse(canvas, face.x, face.y, face.width, face.height, ink, width)
    for side in (-1, 1):
        x = face.x + side * face.eye
        _ellipse(canvas, x, face.eye_y, face.eye * 0.45, face.eye * 0.22, ink, width)
        _ellipse(canvas, x, face.eye_y, face.eye * 0.14, face.eye * 0.14, ink)
        _brow(canvas, x, face.eye_y - face.eye * 0.5, face.eye, ink, width)
    nose = np.array(
        [[face.x, face.eye_y], [face.x - face.eye * 0.3, face.nose_y], [face.x, face.nose_y]]
    )
    cv2.polylines(canvas, [nose.astype(np.int32)], False, ink, width, _SMOOTH)
    _mouth_arc(canvas, face, ink, width, rng)
    for _ in range(int(rng.integers(0, 40))):
        angle = rng.uniform(np.pi, 2 * np.pi)
        start = np.array([face.x, face.y]) + np.array(
            [face.width * np.cos(angle), face.height * np.sin(angle)]
        )
        end = start + rng.normal(0, 0.25 * face.width, 2)
        cv2.line(canvas, start.astype(int).tolist(), end.astype(int).tolist(), ink, width, _SMOOTH)


def _flat(canvas: Image, face: _Proportions, rng: Generator) -> None:
    """An avatar of plain areas: hair, skin, white eyes with irises, brows, nose, lips."""
    tone = rng.uniform(0.35, 1.0)
    skin: Colour = (240 * tone, 200 * tone, 170 * tone)
    shade: Colour = (200 * tone, 150 * tone, 120 * tone)
    hair = _colour(rng, 0, 160)
    _ellipse(canvas, face.x, face.y - 0.2 * face.height, face.width * 1.12, face.height * 1.1, hair)
    _ellipse(canvas, face.x, face.y, face.width, face.height, skin)
    for side in (-1, 1):
        x = face.x + side * face.eye
        _ellipse(canvas, x, face.eye_y, face.eye * 0.42, face.eye * 0.28, (250, 250, 250))
        _ellipse(canvas, x, face.eye_y, face.eye * 0.22, face.eye * 0.22, _colour(rng, 0, 140))
        _ellipse(canvas, x, face.eye_y, face.eye * 0.09, face.eye * 0.09, (0, 0, 0))
        _brow(canvas, x, face.eye_y - face.eye * 0.55, face.eye, hair, int(rng.integers(3, 9)))
    _ellipse(canvas, face.x, face.nose_y, face.eye * 0.25, face.eye * 0.15, shade)
    lips: Colour = (190 * tone, 90 * tone, 90 * tone)
    _ellipse(canvas, face.x, face.mouth_y, face.mouth, face.mouth * rng.uniform(0.15, 0.5), lips)


def _comic(canvas: Image, face: _Proportions, rng: Generator) -> None:
    """Large eyes with highlights, a pointed chin, a small mouth, spikes of hair."""
    skin = _colour(rng, 170)
    ink, eyes = _colour(rng, 0, 70), _colour(rng, 40, 220)
    left, right = face.x - face.width, face.x + face.width
    chin = face.y + face.height * 1.1
    outline = np.array(
        [
            [left, face.y - 0.5 * face.height],
            [left, face.mouth_y - 0.3 * face.height],
            [face.x, chin],
            [right, face.mouth_y - 0.3 * face.height],
            [right, face.y - 0.5 * face.height],
            [face.x, face.y - face.height],
        ]
    ).astype(np.int32)
    cv2.fillPoly(canvas, [outline], skin, _SMOOTH)
    cv2.polylines(canvas, [outline], True, ink, 2, _SMOOTH)
    tall = rng.uniform(0.5, 0.85)
    for side in (-1, 1):
        x = face.x + side * face.eye
        _ellipse(canvas, x, face.eye_y, face.eye * 0.5, face.eye * tall, (255, 255, 255))
        _ellipse(canvas, x, face.eye_y, face.eye * 0.38, face.eye * tall * 0.85, eyes)
        _ellipse(canvas, x, face.eye_y, face.eye * 0.18, face.eye * tall * 0.4, ink)
        _ellipse(canvas, x - 4, face.eye_y - 8, face.eye * 0.12, face.eye * 0.12, (255, 255, 255))
    _ellipse(canvas, face.x, face.nose_y, 2, 3, ink)
    _mouth_arc(canvas, face, ink, 2, rng)
    hair = _colour(rng)
    for x in np.linspace(left - 10, right + 10, int(rng.integers(6, 14))):
        top, tip = face.y - face.height * 1.1, face.eye_y - face.eye * rng.uniform(0.7, 1.3)
        spike = np.array([[x - 22, top], [x + 22, top], [x + rng.normal(0, 12), tip]])
        cv2.fillPoly(canvas, [spike.astype(np.int32)], hair, _SMOOTH)


STYLES: Mapping[str, Callable[[Image, _Proportions, Generator], None]] = {
    "emoji": _emoji,
    "line": _line,
    "flat": _flat,
    "comic": _comic,
}
"""Each draws a face on a canvas."""


def _proportions(rng: Generator) -> _Proportions:
    x, y = _SIDE / 2 + rng.normal(0, 8, 2)
    width = rng.uniform(65, 95)
    height = width * rng.uniform(1.15, 1.45)
    return _Proportions(
        x,
        y,
        width,
        height,
        eye=width * rng.uniform(0.38, 0.5),
        eye_y=y - height * rng.uniform(0.05, 0.25),
        nose_y=y + height * rng.uniform(0.1, 0.25),
        mouth=width * rng.uniform(0.25, 0.45),
        mouth_y=y + height * rng.uniform(0.42, 0.6),
    )


def _finished(canvas: Image, rng: Generator) -> Image:
    """The canvas with a random shade, blur and noise."""
    values = canvas.astype(np.float32)
    if rng.random() < 0.4:
        ramp = np.linspace(rng.uniform(0.6, 1.0), rng.uniform(0.9, 1.2), _SIDE, dtype=np.float32)
        values *= ramp[None, :, None] if rng.random() < 0.5 else ramp[:, None, None]
    if rng.random() < 0.5:
        values = np.asarray(cv2.GaussianBlur(values, (0, 0), rng.uniform(0.6, 3.0)))
    if rng.random() < 0.5:
        values += rng.normal(0, rng.uniform(1, 8), values.shape)
    return np.clip(values, 0, 255).astype(np.uint8)


def _ellipse(
    canvas: Image,
    x: float,
    y: float,
    width: float,
    height: float,
    colour: Colour,
    line: int = -1,
) -> None:
    """Half axes in pixels; `line` is the width of the outline, -1 fills it."""
    axes = (max(1, round(width)), max(1, round(height)))
    cv2.ellipse(canvas, (round(x), round(y)), axes, 0, 0, 360, colour, line, _SMOOTH)


def _mouth_arc(
    canvas: Image, face: _Proportions, colour: Colour, line: int, rng: Generator
) -> None:
    """An arc whose ends are the corners of the mouth."""
    bow = face.mouth * rng.uniform(0.1, 0.8)
    axes = (max(1, round(face.mouth)), max(1, round(bow)))
    corner = (round(face.x), round(face.mouth_y))
    cv2.ellipse(canvas, corner, axes, 0, 0, 180, colour, line, _SMOOTH)


def _brow(canvas: Image, x: float, y: float, eye: float, colour: Colour, line: int) -> None:
    axes = (max(1, round(eye * 0.5)), max(1, round(eye * 0.2)))
    cv2.ellipse(canvas, (round(x), round(y)), axes, 0, 190, 350, colour, line, _SMOOTH)


def _colour(rng: Generator, low: float = 0, high: float = 255) -> Colour:
    red, green, blue = rng.uniform(low, high, 3)
    return (red, green, blue)
