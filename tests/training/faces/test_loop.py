"""The training loop, from distillation to an exported model."""

import csv
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from torch import Tensor

from app.faces.pipeline.embed import load_embedder
from app.inference.manifest import Training, read_manifest, write_manifest
from tests.training.faces.patterns import (
    SPEC,
    TEMPLATE,
    synthetic_crops,
    training_data,
    with_targets,
)
from training.faces.augment import NO_AUGMENTATION
from training.faces.checkpoint import read_average
from training.faces.config import DistillConfig, NetworkConfig
from training.faces.export import export_onnx, manifest_for, parity
from training.faces.loop import TrainingRun
from training.faces.objectives import Distillation
from training.networks.inception_resnet_v1 import InceptionResnetV1


def tiny_config(steps: int, cooldown: int) -> DistillConfig:
    """A configuration that trains in seconds."""
    return DistillConfig(
        network=NetworkConfig(dimension=16, width=0.25, size=80),
        augmentation=NO_AUGMENTATION,
        batch=12,
        steps=steps,
        warmup_steps=3,
        cooldown_steps=cooldown,
        evaluate_every=5,
        save_every=5,
        compile=False,
    )


def test_a_run_by_the_clock_ends_cooled_down(tmp_path: Path) -> None:
    photos = with_targets(synthetic_crops(6, 2))
    began = time.monotonic()
    config = tiny_config(1, 0).model_copy(update={"minutes": 0.1})
    objective = Distillation(config, training_data(photos))
    progress = TrainingRun(tmp_path, config, SPEC, objective, photos).run()
    assert 6 <= time.monotonic() - began < 60
    assert progress.step > 1, "the number of steps in the configuration has no effect"
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    rates = [float(row["learning_rate"]) for row in rows]
    assert rates[-1] < 0.05 * config.learning_rate


def test_a_frozen_stem_keeps_weights_and_statistics(tmp_path: Path) -> None:
    photos = with_targets(synthetic_crops(6, 2))
    config = tiny_config(2, 0).model_copy(update={"freeze_stem": True})
    start = {
        name: value.clone() for name, value in InceptionResnetV1(16, 0.25).state_dict().items()
    }
    objective = Distillation(config, training_data(photos))
    TrainingRun(tmp_path, config, SPEC, objective, photos, start).run()
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["network"]
    changed = {name for name, value in content.items() if not torch.equal(value, start[name])}
    assert not [name for name in changed if name.startswith(("conv2d_1", "conv2d_2"))]
    assert {"conv2d_3b.bn.running_mean", "conv2d_4b.conv.weight"} <= changed
    assert {"repeat_1.0.branch0.bn.running_mean", "last_linear.weight"} <= changed


def test_a_stem_of_random_weights_cannot_be_frozen(tmp_path: Path) -> None:
    photos = with_targets(synthetic_crops(6, 2))
    config = tiny_config(2, 0).model_copy(update={"freeze_stem": True})
    objective = Distillation(config, training_data(photos))
    with pytest.raises(ValueError, match="--start"):
        TrainingRun(tmp_path, config, SPEC, objective, photos)


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    """A step of two processes with half of a batch each changes the weights as one step does."""
    photos = with_targets(synthetic_crops(6, 2))
    start = {
        name: value.clone() for name, value in InceptionResnetV1(16, 0.25).state_dict().items()
    }

    def changed(processes: int) -> dict[str, Tensor]:
        config = tiny_config(3, 0).model_copy(update={"processes": processes, "optimizer": "soap"})
        folder = tmp_path / str(processes)
        objective = Distillation(config, training_data(photos))
        assert TrainingRun(folder, config, SPEC, objective, photos, start).run().step == 3
        content = torch.load(folder / "checkpoint.pt", weights_only=True)
        assert content["optimizer"]["steps"] == 3
        return {name: value - start[name] for name, value in content["network"].items()}

    alone, together = changed(1), changed(2)
    last = "last_linear.weight"
    assert not torch.equal(alone[last], together[last]), "the second process has other crops"
    likeness = torch.cosine_similarity(alone[last].flatten(), together[last].flatten(), dim=0)
    assert float(likeness) > 0.5


@pytest.mark.slow
def test_distil_resume_export_serve(tmp_path: Path) -> None:
    """The whole chain on synthetic people: train, resume, export, embed."""
    crops = synthetic_crops(12, 4)
    photos = with_targets(crops)

    def run(steps: int, cooldown: int, cool_down_now: bool) -> int:
        config = tiny_config(steps, cooldown)
        objective = Distillation(config, training_data(photos))
        training = TrainingRun(tmp_path / "run", config, SPEC, objective, photos)
        return training.run(cool_down_now).step

    assert run(10, 0, False) == 10
    assert run(100, 20, True) == 30, "resumes from its checkpoint and cools down"
    log = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in log] == ["step", "5", "10", "15", "20", "25", "30"]
    first, last = (float(line.split(",")[3]) for line in (log[1], log[-1]))
    assert last < first

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
