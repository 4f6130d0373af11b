"""The split of the training crops."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="requires the extra `train`")

from tests.training.faces.patterns import synthetic_crops
from training.faces.crops import held_out


def test_whole_identities_are_held_out() -> None:
    crops = synthetic_crops(200, 2, size=6)
    unseen = held_out(crops).reshape(200, 2)
    assert (unseen[:, 0] == unseen[:, 1]).all()
    assert 5 < unseen[:, 0].sum() < 60


def test_calibration_sources_are_held_out_entirely() -> None:
    crops = synthetic_crops(40, 1, size=6)
    source = np.where(np.arange(40) < 20, "mebeauty", "celeba-large")
    unseen = held_out(replace(crops, source=source))
    assert unseen[:20].all()
    assert not unseen[20:].all()
