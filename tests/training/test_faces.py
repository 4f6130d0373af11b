"""The networks, losses and numbers of the face training."""

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from app.faces.embed import load_embedder
from app.inference.manifest import Training, read_manifest
from app.vectors import l2_normalize
from training.faces import losses
from training.faces.augment import NONE, Augmentation, augmented_crop
from training.faces.batches import CropSpec, DistillationBatches, IdentityBatches
from training.faces.calibrate import calibrate, impostors_by_group, rates_at
from training.faces.config import DistillConfig, NetworkConfig, TripletConfig
from training.faces.crops import CropSet, held_out, joined
from training.faces.export import export_onnx, parity, write_manifest
from training.faces.loop import TrainingRun
from training.faces.metrics import tar_at_far, ten_fold_accuracy, threshold_at_fmr
from training.faces.miners import HardMiner, RandomMiner, SemiHardMiner
from training.faces.morphs import make_morphs
from training.faces.objectives import Distil, TripletTuning
from training.faces.oneshot import one_shot_rank1
from training.faces.schedule import WarmupStableDecay
from training.networks.inception_resnet_v1 import InceptionResnetV1

TEMPLATE = np.array([[0.31, 0.46], [0.68, 0.46], [0.5, 0.64], [0.35, 0.82], [0.65, 0.82]])


def synthetic_crops(people: int, photos: int, size: int = 96) -> CropSet:
    """Identities as coloured noise patterns, seen with fresh noise in each photo."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (people, 6, 6, 3))
    big = base.repeat(size // 6, axis=1).repeat(size // 6, axis=2)
    images = np.repeat(big, photos, axis=0) + rng.normal(0, 12, (people * photos, size, size, 3))
    n = people * photos
    return CropSet(
        files=np.array([f"{i:05}.webp" for i in range(n)]),
        images=np.clip(images, 0, 255).astype(np.uint8),
        landmarks=np.repeat((TEMPLATE * size)[None], n, axis=0),
        source=np.full(n, "synthetic"),
        identity=np.array([f"p{i // photos}" for i in range(n)]),
        group=np.full(n, ""),
        age=np.full(n, 30),
    )


def published_network() -> Any:
    """facenet-pytorch's network, without the rest of its package (it would need torchvision)."""
    spec = importlib.util.find_spec("facenet_pytorch")
    if spec is None or spec.origin is None:
        pytest.skip("install facenet-pytorch with --no-deps to compare with the published network")
    folder = Path(spec.origin).parent
    for name, path in (("facenet_pytorch", folder), ("facenet_pytorch.models", folder / "models")):
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    module = importlib.import_module("facenet_pytorch.models.inception_resnet_v1")
    return module.InceptionResnetV1(pretrained=None, classify=False)


def test_a_random_network_has_unit_outputs_at_any_size_and_width() -> None:
    for width, size in ((0.25, 80), (0.5, 112)):
        network = InceptionResnetV1(64, width).eval()
        out = network(torch.randn(2, 3, size, size))
        assert out.shape == (2, 64)
        assert out.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)


def test_the_full_network_is_the_published_one() -> None:
    theirs = published_network().eval()
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


def test_morphs_lie_between_their_parents() -> None:
    crops = synthetic_crops(2, 1)
    morphs = make_morphs(crops, 5, seed=1)
    assert set(morphs.identity) == {""}
    mean = crops.images.astype(float).mean(axis=0)
    for image in morphs.images.astype(float):
        assert np.abs(image - mean).mean() < np.abs(crops.images[0] - mean).mean() / 2
    assert len(joined(crops, morphs)) == 7
    again = make_morphs(crops, 5, seed=1)
    assert np.array_equal(morphs.images, again.images)


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
    batches = IdentityBatches(crops, CropSpec(80, TEMPLATE), NONE, people=4, photos=5, seed=1)
    pixels, rows = batches[7]
    assert pixels.shape == (20, 3, 80, 80)
    people = crops.identity[rows.numpy()].reshape(4, 5)
    assert all(len(set(row)) == 1 for row in people)
    assert len(set(people[:, 0])) == 4
    assert torch.equal(rows, batches[7][1])


def test_the_triplet_stage_says_how_many_triplets_still_teach() -> None:
    crops = synthetic_crops(3, 2)
    config = TripletConfig(people=3, photos=2, margin=0.2, mining="hard", teacher_weight=0.0)
    tuning = TripletTuning(config, CropSpec(80, TEMPLATE), crops, np.eye(6, dtype=np.float32))
    rows = torch.arange(6)
    apart = torch.eye(3).repeat_interleave(2, dim=0)
    assert tuning(apart, rows) == (0.0, 0.0)
    mixed = torch.eye(3).repeat(2, 1)
    lesson = tuning(mixed, rows)
    assert lesson.teaching == 1.0
    assert lesson.loss.item() == pytest.approx(2.2)


def test_distillation_losses_vanish_only_at_the_teacher() -> None:
    teacher = torch.nn.functional.normalize(torch.randn(8, 16), dim=1)
    turned = teacher @ torch.linalg.qr(torch.randn(16, 16))[0]
    assert losses.direct_distillation(teacher, teacher).item() == pytest.approx(0.0, abs=1e-6)
    assert losses.relational_distillation(turned, teacher).item() < 1e-10, "relations survive"
    assert losses.direct_distillation(turned, teacher).item() > 0.1


def test_batches_depend_on_seed_and_step_alone() -> None:
    crops = synthetic_crops(10, 3)
    spec = CropSpec(80, TEMPLATE)
    one = DistillationBatches(crops, spec, Augmentation(), 8, seed=3)
    two = DistillationBatches(crops, spec, Augmentation(), 8, seed=3)
    two[9]
    for (a, rows), (b, same_rows) in zip((one[5], one[2]), (two[5], two[2]), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(rows, same_rows)
    seen = torch.cat([one[step][1] for step in range(30 // 8 + 1)])[:30]
    assert sorted(seen.tolist()) == list(range(30)), "an epoch shows everything once"


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


def test_ten_folds_by_hand() -> None:
    same = np.tile([True, False], 50)
    fold = np.repeat(np.arange(10), 10)
    perfect = np.where(same, 0.8, 0.1)
    assert ten_fold_accuracy(perfect, same, fold).mean == 1.0
    broken = perfect.copy()
    broken[:10] = np.nan  # not acquired: an error for genuine and impostor pairs alike
    result = ten_fold_accuracy(broken, same, fold)
    assert result.mean == pytest.approx(0.9)
    assert result.failure_to_acquire == pytest.approx(0.1)


def test_error_rates_by_hand() -> None:
    similarities = np.array([0.9, 0.8, 0.3, 0.5, 0.4, 0.35, 0.2, 0.1])
    same = np.array([True, True, True, False, False, False, False, False])
    assert tar_at_far(similarities, same, 0.0) == pytest.approx(2 / 3)
    assert tar_at_far(similarities, same, 0.6) == pytest.approx(1.0)
    impostors = similarities[~same].astype(np.float32)
    threshold = threshold_at_fmr(impostors, 0.2)
    assert (impostors >= threshold).mean() == pytest.approx(0.2)


def test_the_table_holds_for_the_group_that_needs_most() -> None:
    rng = np.random.default_rng(1)
    tight = l2_normalize(rng.normal(1.0, 1.0, (400, 16)))
    loose = l2_normalize(rng.normal(0.0, 1.0, (400, 16)))
    group = np.array(["tight"] * 400 + ["loose"] * 400)
    impostors = impostors_by_group(np.concatenate([tight, loose]), group)
    table = calibrate(impostors, "two groups")
    for similarity, fmr in zip(table.similarity, table.fmr, strict=True):
        for rate in rates_at(impostors, similarity):
            assert rate.fmr <= fmr


def test_one_shot_rank1_by_hand() -> None:
    vectors = l2_normalize(np.array([[1, 0], [1, 0.1], [0, 1], [0.9, 0.2], [1, 1], [0, 1]]))
    identity = np.array(["a", "a", "b", "b", "c", ""])
    result = one_shot_rank1(vectors, identity)
    assert (result.people, result.probes, result.rank1) == (2, 2, 0.5)


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
    directions = np.random.default_rng(0).normal(size=(12, 16))
    targets = l2_normalize(np.repeat(directions, 4, axis=0))
    spec = CropSpec(80, TEMPLATE)

    def run(steps: int, cooldown: int, cool_down_now: bool) -> int:
        config = tiny_config(steps, cooldown)
        objective = Distil(config, spec, crops, targets)
        training = TrainingRun(tmp_path / "run", config, spec, objective, (crops, targets))
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
    write_manifest(out, "tiny", "Tiny", config.network, TEMPLATE, about, None, ())
    assert read_manifest(out).dimension == 16
    assert load_embedder(out, ["CPUExecutionProvider"]).embed(shown).shape == (8, 16)
