"""Generates synthetic people for the demonstration on machines without training photos.

All of them are smooth random warps and tints of one public-domain portrait (the astronaut of
scikit-image). Models trained on them are of no use outside the demonstration.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from skimage import data
from tqdm import tqdm

from app.faces.pipeline.types import Image, Points
from training.faces.blends import bend

_PORTRAIT = (slice(0, 320), slice(64, 384))  # head and shoulders, 320 x 320
_BEND = 9.0  # pixels; gives a similarity of about 0.7 between two people with the shipped model
_NO_POINTS: Points = np.empty((0, 2))


def write_people(folder: Path, people: int, photos: int, seed: int) -> None:
    """Write `people` identities with `photos` photos each: `folder/person-000/0.jpg` etc."""
    rng = np.random.default_rng(seed)
    portrait: Image = np.ascontiguousarray(data.astronaut()[_PORTRAIT])
    for number in tqdm(range(people), desc="synthetic people"):
        face = _tint(bend(portrait, _NO_POINTS, _BEND, rng)[0], rng)
        person = folder / f"person-{number:03}"
        person.mkdir(parents=True, exist_ok=True)
        for photo in range(photos):
            shot = cv2.cvtColor(_photograph(face, rng), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(person / f"{photo}.jpg"), shot, [cv2.IMWRITE_JPEG_QUALITY, 90])


def _tint(face: Image, rng: Generator) -> Image:
    lab = cv2.cvtColor(face, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab += rng.normal(0.0, [18.0, 8.0, 8.0])
    tinted = cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    return np.asarray(tinted, dtype=np.uint8)


def _photograph(face: Image, rng: Generator) -> Image:
    """A random rotation, scale and brightness, with noise."""
    size = face.shape[0]
    turn = cv2.getRotationMatrix2D(
        (size / 2, size / 2), rng.normal(0.0, 5.0), float(np.exp(rng.normal(0.0, 0.06)))
    )
    turned = cv2.warpAffine(face, turn, (size, size), borderMode=cv2.BORDER_REFLECT)
    light = turned.astype(np.float32) * np.exp(rng.normal(0.0, 0.15)) + rng.normal(0.0, 8.0)
    noisy = light + rng.normal(0.0, 4.0, turned.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)
