"""Thresholds from a calibration table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ModelError
from app.faces.decisions.thresholds import Thresholds
from app.inference.manifest import Calibration, read_manifest
from tests.models import SHIPPED

TABLE = Calibration(
    population="test", pairs=1000, similarity=(0.2, 0.4, 0.6), fmr=(0.1, 0.01, 0.001)
)


def test_log_fmr_is_linear_between_knots() -> None:
    thresholds = Thresholds(TABLE)
    assert thresholds.for_fmr(0.01) == pytest.approx(0.4)
    assert thresholds.for_fmr(0.0316227766) == pytest.approx(0.3)
    assert thresholds.fmr_at(0.5) == pytest.approx(0.00316227766)
    assert thresholds.fmr_at(-1.0) == 1.0, "every similarity is at least -1"
    assert 0.1 < thresholds.fmr_at(0.0) < 1.0
    assert thresholds.for_fmr(0.5) < 0.2


def test_the_last_slope_is_extrapolated_beyond_the_table() -> None:
    thresholds = Thresholds(TABLE)
    assert thresholds.for_fmr(1e-4) == pytest.approx(0.8)
    assert thresholds.fmr_at(0.8) == pytest.approx(1e-4)
    assert thresholds.for_fmr(1e-12) < 1.0


@given(st.floats(1e-9, 0.5), st.floats(1e-9, 0.5))
def test_a_lower_target_rate_never_lowers_the_threshold(a: float, b: float) -> None:
    thresholds = Thresholds(TABLE)
    low, high = sorted((a, b))
    assert thresholds.for_fmr(low) >= thresholds.for_fmr(high)


def test_the_open_set_threshold_grows_with_the_gallery() -> None:
    """FPIR = 1 - (1 - FMR)^N: an FPIR of 9.56 % with ten people is an FMR of 1 %."""
    thresholds = Thresholds(TABLE)
    assert thresholds.for_fpir(1 - 0.99**10, 10) == pytest.approx(0.4)
    sizes = [thresholds.for_fpir(0.01, n) for n in (0, 1, 10, 100, 1000)]
    assert sizes[0] == sizes[1]
    assert sizes[1:] == sorted(sizes[1:])
    assert sizes[1] < sizes[4]


def test_an_uncalibrated_model_is_rejected() -> None:
    manifest = read_manifest(SHIPPED).model_copy(update={"calibration": None})
    with pytest.raises(ModelError, match="no calibration table"):
        Thresholds.of(manifest)
