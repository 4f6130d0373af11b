"""Batches, blends, miners and what the stages make of them."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from app.faces.pipeline.embed import Embedder
from tests.models import SHIPPED
from tests.training.faces.patterns import TEMPLATE, synthetic_crops, with_targets
from training.faces.augment import NONE, Augmentation, augmented_crop
from training.faces.batches import Batch, CropSpec, DistillationBatches, IdentityBatches, Photos
from training.faces.blends import Blend, blend, mirrored
from training.faces.config import SiameseConfig, TripletConfig
from training.faces.miners import HardMiner, RandomMiner, SemiHardMiner
from training.faces.objectives import SiamesePairs, TripletTuning
from training.faces.teacher import load_teacher


def shipped_model() -> Embedder:
    """A teacher that is always there."""
    return load_teacher(SHIPPED, None)


def test_a_blend_is_new_and_shows_both_parents() -> None:
    crops = synthetic_crops(2, 1)
    faces = [blend(crops, np.random.default_rng(seed)) for seed in range(6)]
    mean = crops.images.astype(float).mean(axis=0)
    apart = np.abs(crops.images[0] - mean).mean()
    for face in faces:
        nearest = min(np.abs(face.image - mean).mean(), np.abs(face.image[:, ::-1] - mean).mean())
        assert nearest < apart
        assert np.abs(face.landmarks - crops.landmarks[0]).max() < 12, "bent a little, not more"
    again = blend(crops, np.random.default_rng(3))
    assert np.array_equal(again.image, faces[3].image)
    assert np.array_equal(again.landmarks, faces[3].landmarks)


def test_the_mirror_image_keeps_left_on_the_left() -> None:
    crops = synthetic_crops(1, 1)
    face = Blend(crops.images[0], crops.landmarks[0])
    flipped = mirrored(face)
    left_eye, right_eye = flipped.landmarks[:2]
    assert left_eye[0] < right_eye[0]
    back = mirrored(flipped)
    assert np.array_equal(back.image, face.image)
    assert np.allclose(back.landmarks, face.landmarks)


def test_miners_pick_what_they_are_named_for() -> None:
    """On a circle: two photos of A, and negatives nearer, a little and much farther than them."""
    angle = torch.tensor([0.0, 30.0, 20.0, 40.0, 180.0]).deg2rad()
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    labels = torch.tensor([0, 0, 1, 2, 3])

    def negative_of_first(miner: HardMiner | SemiHardMiner | RandomMiner) -> list[int]:
        found = miner(points, labels)
        mine = (found.anchor == 0) & (found.positive == 1)
        return found.negative[mine].tolist()

    assert negative_of_first(HardMiner()) == [2]
    assert negative_of_first(SemiHardMiner(margin=0.5)) == [3]
    assert negative_of_first(SemiHardMiner(margin=0.01)) == [], "no semi-hard one, no triplet"
    drawn = {negative_of_first(RandomMiner(seed))[0] for seed in range(40)}
    assert drawn == {2, 3, 4}
    nobody_twice = torch.arange(5)
    for miner in (HardMiner(), SemiHardMiner(1.0), RandomMiner()):
        assert len(miner(points, nobody_twice)) == 0
        assert len(miner(points, torch.zeros(5))) == 0, "no negative, no triplet"


def test_a_batch_is_p_people_with_k_photos() -> None:
    crops = synthetic_crops(10, 3)
    photos = with_targets(crops)
    batches = IdentityBatches(photos, CropSpec(80, TEMPLATE), NONE, (4, 5, 0, 0), 1, shipped_model)
    batch = batches[7]
    assert batch.pixels.shape == (20, 3, 80, 80)
    assert np.array_equal(batch.targets.numpy(), photos.targets[batch.rows.numpy()])
    people = crops.identity[batch.rows.numpy()].reshape(4, 5)
    assert all(len(set(row)) == 1 for row in people)
    assert len(set(people[:, 0])) == 4
    assert torch.equal(batch.rows, batches[7].rows)


def test_strangers_come_twice_and_are_nobody_else() -> None:
    crops = synthetic_crops(6, 2)
    crops = replace(crops, identity=np.where(np.arange(12) < 8, crops.identity, ""))
    photos = with_targets(crops)
    batch = IdentityBatches(photos, CropSpec(80, TEMPLATE), NONE, (2, 2, 3, 0), 1, shipped_model)[0]
    assert batch.pixels.shape[0] == 2 * 2 + 3 * 2
    strangers = batch.rows[4:].reshape(3, 2)
    assert (strangers[:, 0] == strangers[:, 1]).all()
    assert set(strangers[:, 0].tolist()) <= {8, 9, 10, 11}


def test_a_stranger_whom_the_teacher_takes_for_somebody_is_no_negative() -> None:
    """Everybody lies at one point, so every triplet that is allowed teaches."""
    crops = synthetic_crops(3, 2)
    crops = replace(crops, identity=np.array(["a", "a", "b", "b", "", ""]))
    looks = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0.1], [1, 0]], dtype=np.float32)
    config = TripletConfig(people=2, photos=2, mining="hard", teacher_weight=0.0, trust=0.5)
    tuning = TripletTuning(config, CropSpec(80, TEMPLATE), Photos(crops, looks), shipped_model)
    rows = torch.tensor([0, 1, 4])
    batch = Batch(torch.empty(3, 3, 80, 80), rows, torch.from_numpy(looks)[rows])
    assert tuning(torch.ones(3, 2), batch) == (0.0, 0.0), "the stranger may be A"
    rows = torch.tensor([2, 3, 4])
    batch = Batch(torch.empty(3, 3, 80, 80), rows, torch.from_numpy(looks)[rows])
    assert tuning(torch.ones(3, 2), batch).loss.item() == pytest.approx(config.margin)


def test_the_triplet_stage_says_how_many_triplets_still_teach() -> None:
    crops = synthetic_crops(3, 2)
    config = TripletConfig(people=3, photos=2, margin=0.2, mining="hard", teacher_weight=0.0)
    photos = Photos(crops, np.eye(6, dtype=np.float32))
    tuning = TripletTuning(config, CropSpec(80, TEMPLATE), photos, shipped_model)
    batch = Batch(torch.empty(6, 3, 80, 80), torch.arange(6), torch.eye(6))
    apart = torch.eye(3).repeat_interleave(2, dim=0)
    assert tuning(apart, batch) == (0.0, 0.0)
    mixed = torch.eye(3).repeat(2, 1)
    lesson = tuning(mixed, batch)
    assert lesson.teaching == 1.0
    assert lesson.loss.item() == pytest.approx(2.2)


def test_blends_hold_on_to_the_teacher_and_are_in_no_triplet() -> None:
    photos = with_targets(synthetic_crops(4, 2), 256)
    config = TripletConfig(people=2, photos=2, blends=3, mining="hard", relational_weight=1.0)
    tuning = TripletTuning(config, CropSpec(80, TEMPLATE), photos, shipped_model)
    batch = tuning.batches[0]
    assert batch.rows.tolist()[4:] == [-1, -1, -1]
    at_the_teacher = tuning(batch.targets, batch)
    away = batch.targets.clone()
    away[4:] = away[4:].roll(1, dims=1)
    lost = tuning(away, batch)
    assert lost.teaching == at_the_teacher.teaching
    assert lost.loss > at_the_teacher.loss + 0.1


def test_the_siamese_stage_pulls_pairs_together_and_pushes_people_apart() -> None:
    photos = Photos(synthetic_crops(2, 2), np.eye(4, dtype=np.float32))
    config = SiameseConfig(people=2, photos=2, margin=1.0, teacher_weight=0.0)
    stage = SiamesePairs(config, CropSpec(80, TEMPLATE), photos, shipped_model)
    batch = Batch(torch.empty(4, 3, 80, 80), torch.arange(4), torch.eye(4))
    apart = torch.eye(2).repeat_interleave(2, dim=0)
    assert stage(apart, batch).loss.item() == pytest.approx(0.0, abs=1e-6)
    at_one_point = torch.ones(4, 2) / 2**0.5
    assert stage(at_one_point, batch).loss.item() == pytest.approx(0.5, abs=1e-5), "(0 + 1) / 2"
    crossed = torch.eye(2).repeat(2, 1)
    assert stage(crossed, batch).loss.item() > 0.9


def test_batches_depend_on_seed_and_step_alone() -> None:
    photos = with_targets(synthetic_crops(10, 3), 256)

    def batches() -> DistillationBatches:
        spec = CropSpec(80, TEMPLATE)
        return DistillationBatches(photos, spec, Augmentation(), (8, 3), 3, shipped_model)

    one, two = batches(), batches()
    two[9]
    for step in (5, 2):
        assert all(torch.equal(a, b) for a, b in zip(one[step], two[step], strict=True))
    seen = torch.cat([one[step].rows[:8] for step in range(30 // 8 + 1)])[:30]
    assert sorted(seen.tolist()) == list(range(30)), "an epoch shows everything once"


def test_blends_are_fresh_and_judged_by_the_teacher() -> None:
    photos = with_targets(synthetic_crops(10, 3), 256)
    spec = CropSpec(80, TEMPLATE)
    batches = DistillationBatches(photos, spec, NONE, (5, 3), 3, shipped_model)
    first, second = batches[0], batches[1]
    assert first.rows.tolist()[5:] == [-1, -1, -1]
    assert first.pixels.shape == (8, 3, 80, 80)
    assert not torch.equal(first.pixels[5:], second.pixels[5:])
    assert first.targets[5:].norm(dim=1).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    assert np.array_equal(first.targets[:5].numpy(), photos.targets[first.rows[:5].numpy()])


def test_without_augmentation_a_crop_is_the_serving_crop() -> None:
    crops = synthetic_crops(1, 1)
    rng = np.random.default_rng(0)
    plain = augmented_crop(crops.images[0], crops.landmarks[0], TEMPLATE, 96, NONE, rng)
    assert np.abs(plain.astype(int) - crops.images[0].astype(int)).mean() < 1.0
    strong = augmented_crop(crops.images[0], crops.landmarks[0], TEMPLATE, 96, Augmentation(), rng)
    assert strong.shape == plain.shape
