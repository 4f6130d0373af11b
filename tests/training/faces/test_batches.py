"""Distillation batches and P x K batches."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from tests.training.faces.patterns import synthetic_crops, training_data, with_targets
from training.faces.augment import NO_AUGMENTATION, Augmentation
from training.faces.batches import (
    DistillationBatches,
    DistillationSize,
    IdentityBatches,
    IdentitySize,
)


def test_an_identity_batch_has_p_people_with_k_photos() -> None:
    crops = synthetic_crops(10, 3)
    photos = with_targets(crops)
    batches = IdentityBatches(
        training_data(photos), IdentitySize(people=4, photos=5), NO_AUGMENTATION, seed=1
    )
    batch = batches[7]
    assert batch.pixels.shape == (20, 3, 80, 80)
    assert np.array_equal(batch.targets.numpy(), photos.targets[batch.rows.numpy()])
    people = crops.identity[batch.rows.numpy()].reshape(4, 5)
    assert all(len(set(row)) == 1 for row in people)
    assert len(set(people[:, 0])) == 4
    assert torch.equal(batch.rows, batches[7].rows)


def test_strangers_appear_twice_and_have_no_identity() -> None:
    crops = synthetic_crops(6, 2)
    crops = replace(crops, identity=np.where(np.arange(12) < 8, crops.identity, ""))
    size = IdentitySize(people=2, photos=2, strangers=3)
    data = training_data(with_targets(crops))
    batch = IdentityBatches(data, size, NO_AUGMENTATION, seed=1)[0]
    assert batch.pixels.shape[0] == 2 * 2 + 3 * 2
    strangers = batch.rows[4:].reshape(3, 2)
    assert (strangers[:, 0] == strangers[:, 1]).all()
    assert set(strangers[:, 0].tolist()) <= {8, 9, 10, 11}


def test_a_batch_depends_on_seed_and_step_only() -> None:
    photos = with_targets(synthetic_crops(10, 3), 256)

    def batches() -> DistillationBatches:
        size = DistillationSize(photos=8, blends=3)
        return DistillationBatches(training_data(photos), size, Augmentation(), seed=3)

    one, two = batches(), batches()
    two[9]
    for step in (5, 2):
        assert all(torch.equal(a, b) for a, b in zip(one[step], two[step], strict=True))
    seen = torch.cat([one[step].rows[:8] for step in range(30 // 8 + 1)])[:30]
    assert sorted(seen.tolist()) == list(range(30)), "an epoch has every photo once"


def test_blends_differ_by_step_and_have_the_teachers_vectors() -> None:
    photos = with_targets(synthetic_crops(10, 3), 256)
    size = DistillationSize(photos=5, blends=3)
    batches = DistillationBatches(training_data(photos), size, NO_AUGMENTATION, seed=3)
    first, second = batches[0], batches[1]
    assert first.rows.tolist()[5:] == [-1, -1, -1]
    assert first.pixels.shape == (8, 3, 80, 80)
    assert not torch.equal(first.pixels[5:], second.pixels[5:])
    assert first.targets[5:].norm(dim=1).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    assert np.array_equal(first.targets[:5].numpy(), photos.targets[first.rows[:5].numpy()])
