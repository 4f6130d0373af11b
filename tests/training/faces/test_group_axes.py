"""The removal of differences between groups."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from app.vectors import l2_normalize
from training.faces.group_axes import group_axes, remove_axes
from training.networks.inception_resnet_v1 import InceptionResnetV1


def groups(names: tuple[str, ...], shift: float) -> tuple[np.ndarray, np.ndarray]:
    """300 faces of each group, around a direction of its own."""
    rng = np.random.default_rng(0)
    centres = l2_normalize(rng.normal(size=(len(names), 32))) * shift
    faces = rng.normal(size=(300 * len(names), 32)) / np.sqrt(32)
    return (
        l2_normalize(faces + np.repeat(centres, 300, axis=0)).astype(np.float32),
        np.repeat(names, 300),
    )


def test_groups_cannot_be_told_apart_by_their_means_afterwards() -> None:
    faces, group = groups(("a", "b", "c"), shift=0.5)
    axes = group_axes(faces, group)
    assert axes.shape == (2, 32)
    assert axes @ axes.T == pytest.approx(np.eye(2), abs=1e-5)
    left = faces - faces @ axes.T @ axes

    def spread(rows: np.ndarray) -> float:
        means = np.stack([rows[group == name].mean(axis=0) for name in "abc"])
        return float(np.linalg.norm(means - means.mean(axis=0)))

    assert spread(faces) > 0.3
    assert spread(left) < 1e-4


def test_unnamed_and_small_groups_are_ignored() -> None:
    faces, group = groups(("a", "b", "other"), shift=0.5)
    assert group_axes(faces, group).shape == (1, 32)
    with pytest.raises(ValueError, match="two groups"):
        group_axes(faces[:350], group[:350])


def test_the_network_computes_its_embeddings_without_the_axes() -> None:
    torch.manual_seed(0)
    network = InceptionResnetV1(32, 0.25)
    crops = torch.randn(12, 3, 80, 80)
    with torch.no_grad():
        network.train()(crops)  # moves the statistics away from their initial values
        before = network.eval()(crops).numpy()
        axes = group_axes(*groups(("a", "b", "c"), shift=0.5))
        remove_axes(network, axes)
        after = network(crops).numpy()
    assert after == pytest.approx(l2_normalize(before - before @ axes.T @ axes), abs=1e-4)
    assert np.abs(after @ axes.T).max() < 1e-4
