"""What a service does at its defaults, on made-up people."""

import numpy as np

from app.faces.decisions.normalisation import NoNormalisation
from app.faces.decisions.policy import DecisionPolicy
from app.faces.decisions.thresholds import Thresholds
from app.inference.manifest import Calibration
from app.vectors import l2_normalize
from training.faces.defaults import measure_defaults

POLICY = DecisionPolicy(
    Thresholds(
        Calibration(
            population="made up", pairs=1000, similarity=(0.3, 0.5, 0.7), fmr=(0.1, 1e-3, 1e-5)
        )
    ),
    NoNormalisation(),
)


def people(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Three faces of each of 80 people, with this deviation of every component."""
    rng = np.random.default_rng(0)
    rows = np.repeat(l2_normalize(rng.normal(size=(80, 64))), 3, axis=0)
    faces = l2_normalize(rows + rng.normal(0, noise, rows.shape)).astype(np.float32)
    return faces, np.repeat(np.arange(80), 3).astype(str)


def test_clear_faces_are_found_and_strangers_are_not() -> None:
    found = measure_defaults(POLICY, *people(noise=0.02))
    assert found.genuine_pairs == 240
    assert found.refused == 0.0
    assert [gallery.people for gallery in found.galleries] == [40, 60]
    for gallery in found.galleries:
        assert gallery.found == 1.0
        assert gallery.wrong == 0.0
        assert gallery.strangers < 0.05


def test_blurred_faces_are_refused_more_often_in_larger_galleries() -> None:
    found = measure_defaults(POLICY, *people(noise=0.11))
    small, large = found.galleries
    assert 0.0 < found.refused < 1.0
    assert large.found <= small.found < 1.0
    assert large.found < large.noticed <= 1.0
    assert large.strangers <= large.strangers_noticed
    assert small.strangers < 0.05


def test_people_with_one_photo_fill_a_large_gallery() -> None:
    others = l2_normalize(np.random.default_rng(9).normal(size=(2_000, 64))).astype(np.float32)
    found = measure_defaults(POLICY, *people(noise=0.02), others)
    small, middle, large = found.galleries
    assert (small.people, small.labelled) == (40, 40)
    assert (middle.people, middle.labelled) == (300, 60)
    assert (large.people, large.labelled) == (1_000, 60)
    assert large.probes == 20 * 120
    assert large.found == 1.0


def test_a_calibrated_gallery_finds_more_at_the_same_rate() -> None:
    """Made-up people resemble each other less than those of the table."""
    others = l2_normalize(np.random.default_rng(9).normal(size=(2_000, 64))).astype(np.float32)
    small, *larger = measure_defaults(POLICY, *people(noise=0.11), others).galleries
    assert small.calibrated_found is None, "40 people are too few"
    for gallery in larger:
        assert gallery.calibrated_found is not None
        assert gallery.calibrated_strangers is not None
        assert gallery.calibrated_found > gallery.found + 0.05
        assert gallery.calibrated_strangers < 0.03
