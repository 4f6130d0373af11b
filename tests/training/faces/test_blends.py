"""Blends of two faces."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="requires the extra `train`")

from tests.training.faces.patterns import synthetic_crops
from training.faces.blends import Blend, Parents, blend, mirrored


def test_a_blend_is_between_its_parents_and_deterministic() -> None:
    crops = synthetic_crops(2, 1)
    faces = [blend(crops, Parents(crops), np.random.default_rng(seed)) for seed in range(6)]
    mean = np.stack(crops.images).astype(float).mean(axis=0)
    apart = np.abs(crops.images[0] - mean).mean()
    for face in faces:
        nearest = min(np.abs(face.image - mean).mean(), np.abs(face.image[:, ::-1] - mean).mean())
        assert nearest < apart
        assert np.abs(face.landmarks - crops.landmarks[0]).max() < 12, "the warp is small"
    again = blend(crops, Parents(crops), np.random.default_rng(3))
    assert np.array_equal(again.image, faces[3].image)
    assert np.array_equal(again.landmarks, faces[3].landmarks)


def test_mirrored_landmarks_keep_their_order() -> None:
    crops = synthetic_crops(1, 1)
    face = Blend(crops.images[0], crops.landmarks[0])
    flipped = mirrored(face)
    left_eye, right_eye = flipped.landmarks[:2]
    assert left_eye[0] < right_eye[0]
    back = mirrored(flipped)
    assert np.array_equal(back.image, face.image)
    assert np.allclose(back.landmarks, face.landmarks)


def test_balanced_parents_come_from_each_group_equally_often() -> None:
    crops = synthetic_crops(12, 1)
    group = np.array(["a", "a", "b", "other"] + [""] * 8)
    parents = Parents(replace(crops, group=group), balanced=True)
    rng = np.random.default_rng(0)
    pairs = [parents.draw(rng) for _ in range(600)]
    assert all(first != second for first, second in pairs)
    first = np.array([group[pair[0]] for pair in pairs])
    shares = {name: float((first == name).mean()) for name in ("a", "b")}
    assert shares == pytest.approx({"a": 1 / 3, "b": 1 / 3}, abs=0.07)
    same = np.mean([group[x] == group[y] == "a" for x, y in pairs if group[x] == "a"])
    assert 0.4 < same < 0.7, "half of the partners are of the same group"
    unbalanced = Parents(crops)
    drawn = np.array([unbalanced.draw(rng)[0] for _ in range(600)])
    assert np.bincount(drawn, minlength=12).min() > 20
