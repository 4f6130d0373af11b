"""The networks, losses and numbers of the face training."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from app.faces.embed import Embedder, load_embedder
from app.inference.manifest import Training, read_manifest, write_manifest
from tests.models import SHIPPED
from tests.training.patterns import TEMPLATE, synthetic_crops, with_targets
from training.faces import losses
from training.faces.augment import NONE, Augmentation, augmented_crop
from training.faces.batches import Batch, CropSpec, DistillationBatches, IdentityBatches, Photos
from training.faces.blends import Blend, blend, mirrored
from training.faces.config import DistillConfig, NetworkConfig, TripletConfig
from training.faces.crops import held_out
from training.faces.export import export_onnx, manifest_for, parity
from training.faces.loop import TrainingRun
from training.faces.miners import HardMiner, RandomMiner, SemiHardMiner
from training.faces.objectives import Distil, TripletTuning
from training.faces.schedule import WarmupStableDecay
from training.faces.teacher import load_teacher
from training.networks.inception_resnet_v1 import InceptionResnetV1
from training.networks.published import published_network


def shipped_model() -> Embedder:
    """A teacher that is always there."""
    return load_teacher(SHIPPED, None)


def test_a_random_network_has_unit_outputs_at_any_size_and_width() -> None:
    for width, size in ((0.25, 80), (0.5, 112)):
        network = InceptionResnetV1(64, width).eval()
        out = network(torch.randn(2, 3, size, size))
        assert out.shape == (2, 64)
        assert out.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)


@pytest.mark.skipif(find_spec("facenet_pytorch") is None, reason="needs facenet-pytorch")
def test_the_full_network_is_the_published_one() -> None:
    theirs = published_network()
    ours = InceptionResnetV1().eval()
    state = theirs.state_dict()
    ours.load_state_dict(state)
    assert set(ours.state_dict()) == set(state)
    crops = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        assert torch.allclose(ours(crops), theirs(crops), atol=1e-5)


def test_triplet_loss_by_hand() -> None:
    a = torch.tensor([[1.0, 0.0]])
    p = torch.tensor([[0.0, 1.0]])  # d(A, P) = 2
    n = torch.tensor([[-1.0, 0.0]])  # d(A, N) = 4
    assert losses.triplet_loss(a, p, n, margin=0.2).item() == 0.0
    assert losses.triplet_loss(a, p, n, margin=2.5).item() == pytest.approx(0.5)
    assert losses.triplet_loss(a, n, p, margin=0.2).item() == pytest.approx(2.2)


def test_pair_loss_by_hand() -> None:
    a = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    b = torch.tensor([[3.0, 0.0], [0.5, 0.0], [3.0, 0.0]])
    same = torch.tensor([True, False, False])
    assert losses.pair_loss(a, b, same, margin=1.0).item() == pytest.approx((9 + 0.25 + 0) / 3)


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
    batches = IdentityBatches(photos, CropSpec(80, TEMPLATE), NONE, (4, 5, 0), seed=1)
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
    batch = IdentityBatches(photos, CropSpec(80, TEMPLATE), NONE, (2, 2, 3), seed=1)[0]
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
    tuning = TripletTuning(config, CropSpec(80, TEMPLATE), Photos(crops, looks))
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
    tuning = TripletTuning(config, CropSpec(80, TEMPLATE), photos)
    batch = Batch(torch.empty(6, 3, 80, 80), torch.arange(6), torch.eye(6))
    apart = torch.eye(3).repeat_interleave(2, dim=0)
    assert tuning(apart, batch) == (0.0, 0.0)
    mixed = torch.eye(3).repeat(2, 1)
    lesson = tuning(mixed, batch)
    assert lesson.teaching == 1.0
    assert lesson.loss.item() == pytest.approx(2.2)


def test_distillation_losses_vanish_only_at_the_teacher() -> None:
    teacher = torch.nn.functional.normalize(torch.randn(8, 16), dim=1)
    turned = teacher @ torch.linalg.qr(torch.randn(16, 16))[0]
    assert losses.direct_distillation(teacher, teacher).item() == pytest.approx(0.0, abs=1e-6)
    assert losses.relational_distillation(turned, teacher).item() < 1e-10, "relations survive"
    assert losses.direct_distillation(turned, teacher).item() > 0.1


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


def test_the_fast_teacher_says_what_the_exact_one_says() -> None:
    pytest.importorskip("openvino", reason="the fast teacher needs the extra `train`")
    crops = synthetic_crops(6, 1)
    shown = [image[:80, :80] for image in crops.images]
    shown = [np.ascontiguousarray(np.resize(image, (112, 112, 3))) for image in shown]
    fast = load_teacher(SHIPPED, None, fast=True)
    assert fast.providers == ("OpenVINO",)
    agreement = (fast.embed(shown) * load_teacher(SHIPPED, None).embed(shown)).sum(axis=1)
    assert agreement.min() > 0.99


def test_without_augmentation_a_crop_is_the_serving_crop() -> None:
    crops = synthetic_crops(1, 1)
    rng = np.random.default_rng(0)
    plain = augmented_crop(crops.images[0], crops.landmarks[0], TEMPLATE, 96, NONE, rng)
    assert np.abs(plain.astype(int) - crops.images[0].astype(int)).mean() < 1.0
    strong = augmented_crop(crops.images[0], crops.landmarks[0], TEMPLATE, 96, Augmentation(), rng)
    assert strong.shape == plain.shape


def test_the_schedule_warms_up_stays_and_cools_down() -> None:
    open_end = WarmupStableDecay(1.0, 10, None, 10)
    assert open_end(0) == pytest.approx(0.1)
    assert open_end(10_000) == 1.0
    closed = WarmupStableDecay(1.0, 10, 100, 10)
    assert [closed(s) for s in (99, 105, 110, 500)] == pytest.approx([1.0, 0.5, 0.0, 0.0])


def test_whole_identities_are_held_out() -> None:
    crops = synthetic_crops(200, 2)
    aside = held_out(crops).reshape(200, 2)
    assert (aside[:, 0] == aside[:, 1]).all()
    assert 5 < aside[:, 0].sum() < 60


def tiny_config(steps: int, cooldown: int) -> DistillConfig:
    """A network that trains in seconds."""
    return DistillConfig(
        network=NetworkConfig(dimension=16, width=0.25, size=80),
        augmentation=NONE,
        batch=12,
        steps=steps,
        warmup_steps=3,
        cooldown_steps=cooldown,
        evaluate_every=5,
        save_every=5,
        compile=False,
    )


@pytest.mark.slow
def test_distil_resume_export_serve(tmp_path: Path) -> None:
    """The whole chain on synthetic people: it learns, resumes, and serves what it learned."""
    crops = synthetic_crops(12, 4)
    photos = with_targets(crops)
    spec = CropSpec(80, TEMPLATE)

    def run(steps: int, cooldown: int, cool_down_now: bool) -> int:
        config = tiny_config(steps, cooldown)
        objective = Distil(config, spec, photos, shipped_model)
        training = TrainingRun(tmp_path / "run", config, spec, objective, photos)
        return training.run(cool_down_now).step

    assert run(10, 0, False) == 10
    assert run(100, 20, True) == 30, "it goes on from its checkpoint and cools down at once"
    log = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in log] == ["step", "5", "10", "15", "20", "25", "30"]
    first, last = (float(line.split(",")[3]) for line in (log[1], log[-1]))
    assert last < first

    from training.faces.checkpoint import read_average

    config = tiny_config(10, 20)
    network = InceptionResnetV1(16, 0.25)
    state, steps = read_average(tmp_path / "run" / "checkpoint.pt")
    network.load_state_dict(state)
    assert steps == 30
    out = tmp_path / "model"
    content = export_onnx(network, 80, out)
    shown = [np.asarray(image[:80, :80]) for image in crops.images[:8]]
    assert parity(network, content, shown, config.network) < 1e-4
    about = Training(data="synthetic", method="test")
    write_manifest(out, manifest_for(out, "tiny", "Tiny", config.network, TEMPLATE, about))
    assert read_manifest(out).dimension == 16
    assert load_embedder(out, ["CPUExecutionProvider"]).embed(shown).shape == (8, 16)
