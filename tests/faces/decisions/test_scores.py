"""Score distributions equal what NumPy computes from all pairs."""

import numpy as np
import pytest

from app.errors import ModelError
from app.faces.decisions.scores import (
    STEP,
    LabelledFaces,
    genuine_scores,
    impostor_scores,
    impostor_scores_by_group,
)
from app.vectors import l2_normalize


def make_faces(people: int = 700, seed: int = 0) -> LabelledFaces:
    """Two faces of each person, in two groups, with random corrections."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, 16))
    rows = l2_normalize(np.repeat(centres, 2, axis=0) + rng.normal(0, 0.4, (2 * people, 16)))
    person = np.repeat(np.arange(people), 2).astype(str)
    group = np.where(np.arange(2 * people) % 4 < 2, "a", "b")
    correction = rng.normal(0, 0.02, 2 * people).astype(np.float32)
    return LabelledFaces(rows.astype(np.float32), person, group, correction)


def all_pairs(faces: LabelledFaces, same: bool) -> np.ndarray:
    first, second = np.triu_indices(len(faces), 1)
    chosen = (faces.person[first] == faces.person[second]) == same
    first, second = first[chosen], second[chosen]
    cosine = (faces.embeddings[first] * faces.embeddings[second]).sum(axis=1)
    return np.asarray(cosine - faces.correction[first] - faces.correction[second])


@pytest.mark.parametrize("same", [True, False])
def test_histogram_agrees_with_every_pair(same: bool) -> None:
    faces = make_faces()
    expected = all_pairs(faces, same)
    found = genuine_scores(faces) if same else impostor_scores(faces)
    assert found.pairs == len(expected)
    for threshold in (-0.2, 0.0, 0.3, 0.7):
        exact = (expected >= threshold).mean()
        assert found.share_at(threshold) == pytest.approx(exact, abs=2 / len(expected) + 1e-4)


def test_threshold_admits_at_most_the_rate() -> None:
    faces = make_faces()
    expected, found = all_pairs(faces, same=False), impostor_scores(faces)
    for rate in (0.1, 0.01, 1e-3, 1e-4):
        threshold = found.threshold_at(rate)
        assert (expected >= threshold + 1e-6).mean() <= rate
        assert (expected >= threshold - 2 * STEP).mean() > rate * 0.9


def test_largest_scores_are_the_upper_tail() -> None:
    faces = make_faces()
    expected, found = np.sort(all_pairs(faces, same=False)), impostor_scores(faces)
    largest = found.largest(50)
    assert len(largest) == 50
    assert np.abs(largest - expected[-50:]).max() <= 1.1 * STEP


def test_groups_are_compared_within_themselves() -> None:
    faces = make_faces(40)
    by_group = impostor_scores_by_group(faces)
    assert {name: d.pairs for name, d in by_group.items()} == {"a": 760, "b": 760}
    unlabelled = LabelledFaces(
        faces.embeddings, faces.person, np.full(len(faces), ""), faces.correction
    )
    with pytest.raises(ModelError, match="no face has a group label"):
        impostor_scores_by_group(unlabelled)
