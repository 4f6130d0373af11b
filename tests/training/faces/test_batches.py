"""The networks, losses and numbers of the face training."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from app.faces.pipeline.embed import Embedder, load_embedder
from app.inference.manifest import Training, read_manifest, write_manifest
from tests.models import SHIPPED
from tests.training.faces.patterns import TEMPLATE, synthetic_crops, with_targets
from training.faces import losses
from training.faces.augment import NONE
from training.faces.batches import CropSpec
from training.faces.config import DistillConfig, NetworkConfig
from training.faces.crops import held_out
from training.faces.export import export_onnx, manifest_for, parity
from training.faces.loop import TrainingRun
from training.faces.objectives import Distil
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


def test_distillation_losses_vanish_only_at_the_teacher() -> None:
    teacher = torch.nn.functional.normalize(torch.randn(8, 16), dim=1)
    turned = teacher @ torch.linalg.qr(torch.randn(16, 16))[0]
    assert losses.direct_distillation(teacher, teacher).item() == pytest.approx(0.0, abs=1e-6)
    assert losses.relational_distillation(turned, teacher).item() < 1e-10, "relations survive"
    assert losses.direct_distillation(turned, teacher).item() > 0.1


def test_the_fast_teacher_says_what_the_exact_one_says() -> None:
    pytest.importorskip("openvino", reason="the fast teacher needs the extra `train`")
    crops = synthetic_crops(6, 1)
    shown = [image[:80, :80] for image in crops.images]
    shown = [np.ascontiguousarray(np.resize(image, (112, 112, 3))) for image in shown]
    fast = load_teacher(SHIPPED, None, fast=True)
    assert fast.providers == ("OpenVINO",)
    agreement = (fast.embed(shown) * load_teacher(SHIPPED, None).embed(shown)).sum(axis=1)
    assert agreement.min() > 0.99


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
