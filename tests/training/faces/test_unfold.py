"""Restoring a trainable network from its ONNX file."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from app.inference.manifest import Training, write_manifest
from app.inference.session import OnnxSession
from app.vectors import Matrix
from tests.models import TRAINED
from tests.training.faces.patterns import SPEC, TEMPLATE, synthetic_crops
from training.faces.checkpoint import read_average
from training.faces.config import NetworkConfig
from training.faces.crops import CropSet
from training.faces.export import export_onnx, folded, manifest_for, parity
from training.faces.measure import embed_with
from training.faces.targets import distillation_targets
from training.faces.teacher import TeacherFiles
from training.faces.unfold import unfold
from training.networks.inception_resnet_v1 import InceptionResnetV1

CPU = torch.device("cpu")
NET = NetworkConfig(
    dimension=16, width=0.25, size=80, repeats=(1, 1, 1), fine_blocks=1, local_17=8, local_35=4
)
TEACHERS = TeacherFiles((TRAINED,))


@pytest.fixture(scope="module")
def network() -> InceptionResnetV1:
    """A random network whose normalisations have measured statistics and random parameters."""
    torch.manual_seed(1)
    made = NET.build().train()
    with torch.no_grad():
        for _ in range(30):
            made(torch.randn(8, 3, NET.size, NET.size))
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
                module.weight.uniform_(0.8, 1.2)
                module.bias.normal_(0.0, 0.1)
    return made.eval()


@pytest.fixture(scope="module")
def model(network: InceptionResnetV1, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported network."""
    folder = tmp_path_factory.mktemp("model")
    export_onnx(network, NET.size, folder)
    about = Training(data="synthetic", method="test")
    write_manifest(folder, manifest_for(folder, "tiny", "Tiny", NET, TEMPLATE, about))
    return folder


def pixels() -> NDArray[np.float32]:
    return np.random.default_rng(2).normal(size=(6, 3, NET.size, NET.size)).astype(np.float32)


def restored(start: Path) -> InceptionResnetV1:
    network = NET.build()
    network.load_state_dict(read_average(start)[0])
    return network.eval()


def agreement(network: InceptionResnetV1, crops: CropSet, targets: Matrix) -> float:
    """Mean cosine between the network's embeddings and the targets."""
    return float((embed_with(network, NET, SPEC, CPU, crops) * targets).sum(axis=1).mean())


@pytest.mark.slow
def test_an_unfolded_export_computes_the_same_embeddings(
    network: InceptionResnetV1, model: Path, tmp_path: Path
) -> None:
    start = unfold(model, synthetic_crops(40, 2), TEACHERS, tmp_path, NET, refit=False)
    again = restored(start)
    shown = torch.from_numpy(pixels())
    with torch.no_grad():
        assert torch.allclose(again(shown), folded(network)(shown), atol=1e-4), "as exported"
    assert again.conv2d_4b.bn.running_mean.abs().max() > 1e-3, "statistics are measured"
    assert not (tmp_path / f"targets-{TRAINED.name}.npz").exists(), "no teacher is needed"


@pytest.mark.slow
def test_an_export_stores_large_weights_in_half_precision(
    network: InceptionResnetV1, model: Path
) -> None:
    content = (model / "model.onnx").read_bytes()
    weights = sum(weight.numel() for weight in network.parameters())
    assert len(content) < 2.5 * weights + 200_000, "about two bytes for each weight"
    with torch.no_grad():
        expected = network(torch.from_numpy(pixels())).numpy()
    found = OnnxSession(content, ["CPUExecutionProvider"]).run(pixels())[0]
    assert (found * expected).sum(axis=1).min() > 0.9999
    shown = [
        np.zeros((NET.size, NET.size, 3), np.uint8),
        np.full((NET.size,) * 2 + (3,), 255, "u1"),
    ]
    assert parity(network, content, shown, NET) < 1e-4


@pytest.mark.slow
def test_an_unfolded_export_trains_as_a_normalised_network(model: Path, tmp_path: Path) -> None:
    """In train mode each normalisation's output has about the spread that it has in eval mode."""
    start = unfold(model, synthetic_crops(40, 2), TEACHERS, tmp_path, NET, refit=False)
    layer = restored(start).conv2d_4b.bn
    assert torch.allclose(layer.weight, (layer.running_var + layer.eps).sqrt(), rtol=1e-4)


@pytest.mark.slow
def test_refit_brings_the_embeddings_closer_to_the_targets(model: Path, tmp_path: Path) -> None:
    crops = synthetic_crops(40, 2)
    plain = restored(unfold(model, crops, TEACHERS, tmp_path / "plain", NET, refit=False))
    run = tmp_path / "refit"
    refitted = restored(unfold(model, crops, TEACHERS, run, NET, refit=True))
    targets, _ = distillation_targets(run, TEACHERS, crops, NET.dimension)
    before, after = agreement(plain, crops, targets), agreement(refitted, crops, targets)
    assert after > before + 0.3
    assert np.isfinite(after)


@pytest.mark.slow
def test_another_architecture_is_rejected(model: Path, tmp_path: Path) -> None:
    other = NET.model_copy(update={"width": 0.5})
    with pytest.raises(ValueError, match="not an export of this network"):
        unfold(model, synthetic_crops(4, 2), TEACHERS, tmp_path, other, refit=False)
