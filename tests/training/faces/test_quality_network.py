"""The quality network: targets, fitting, calibration and export."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from app.inference.session import OnnxSession
from app.vectors import l2_normalize
from training.faces.quality_data import VERSIONS, QualityData, load_data
from training.faces.quality_network import QualityNetwork, export, fit, predict


def synthetic(people: int, photos: int) -> QualityData:
    """Faces whose brightness is their quality: the darker, the more noise in the embedding."""
    rng = np.random.default_rng(0)
    n = people * photos
    light = rng.uniform(0.1, 1.0, (n, VERSIONS))
    light[:, 0] = rng.uniform(0.7, 1.0, n)
    grey = (200 * light[:, :, None, None] + rng.normal(0, 5, (n, VERSIONS, 112, 112))).clip(0, 255)
    centres = np.repeat(l2_normalize(rng.normal(size=(people, 32)).astype(np.float32)), photos, 0)
    noise = rng.normal(size=(n, VERSIONS, 32)) * 0.3 * (1.1 - light)[:, :, None]
    vectors = (centres[:, None] + noise).reshape(-1, 32).astype(np.float32)
    return QualityData(
        grey=grey.astype(np.uint8),
        landmarks=np.zeros((n, VERSIONS, 5, 2), dtype=np.float32),
        kind=np.full((n, VERSIONS), -1, dtype=np.int8),
        vectors=l2_normalize(vectors).reshape(n, VERSIONS, 32),
        mirror=np.ones((n, VERSIONS), dtype=np.float32),
        identity=np.repeat([f"p{number}" for number in range(people)], photos),
        held_out=np.zeros(n, dtype=np.bool_),
    )


def test_the_target_is_the_mean_cosine_with_the_other_clean_photos() -> None:
    data = synthetic(5, 3)
    others = data.vectors[[3, 5], 0]
    assert data.targets()[4, 2] == pytest.approx((others @ data.vectors[4, 2]).mean(), abs=1e-5)


def test_data_is_restored_from_its_file(tmp_path: Path) -> None:
    data = synthetic(3, 2)
    data.save(tmp_path / "crops.npz")
    restored = load_data(tmp_path / "crops.npz")
    assert (restored.grey == data.grey).all()
    assert restored.identity.tolist() == data.identity.tolist()


@pytest.mark.slow
def test_a_fitted_network_orders_faces_by_quality_and_is_exported_exactly() -> None:
    data = synthetic(60, 4)
    fitted = fit(data, epochs=15, fmr=0.01, faceless=20, drawn=10)
    scores = predict(fitted.network, data.grey[:, 2])
    brightness = data.grey[:, 2].mean(axis=(1, 2))
    assert np.corrcoef(scores, brightness)[0, 1] > 0.5
    assert 0.0 <= scores.min() < scores.max() <= 1.0
    session = OnnxSession(export(fitted.network), ["CPUExecutionProvider"])
    batch = data.grey[:7, 0][:, None].astype(np.float32)
    assert session.run(batch)[0] == pytest.approx(
        predict(fitted.network, data.grey[:7, 0]), abs=1e-4
    )


def test_the_output_is_the_calibrated_cosine() -> None:
    network = QualityNetwork().eval()
    network.calibration.data = torch.tensor([2.0, -1.0])
    crops = torch.rand(3, 1, 112, 112) * 255
    expected = torch.sigmoid(2.0 * network.cosine(crops) - 1.0)
    assert torch.allclose(network(crops), expected)
