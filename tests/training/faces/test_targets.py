"""Distillation targets and their files."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="requires the extra `train`")

from tests.models import TRAINED
from tests.training.faces.patterns import synthetic_crops
from training.faces.targets import distillation_targets, inherit_reduction
from training.faces.teacher import TeacherFiles


def test_targets_and_reduction_are_computed_once(tmp_path: Path) -> None:
    crops, teachers = synthetic_crops(20, 2), TeacherFiles((TRAINED,))
    targets, reduction = distillation_targets(tmp_path, teachers, crops, 16)
    assert targets.shape == (40, 16)
    assert reduction is not None
    assert np.linalg.norm(targets, axis=1) == pytest.approx(np.ones(40), abs=1e-5)

    np.save(tmp_path / "reduction.npy", reduction[:, ::-1])
    again, stored = distillation_targets(tmp_path, teachers, crops, 16)
    assert stored is not None
    assert np.array_equal(stored, reduction[:, ::-1]), "the stored basis is used"
    assert again == pytest.approx(targets[:, ::-1], abs=1e-6)

    written = (tmp_path / f"targets-{TRAINED.name}.npz").stat().st_mtime_ns
    renamed = replace(crops, files=np.array([f"other-{file}" for file in crops.files]))
    distillation_targets(tmp_path, teachers, renamed, 16)
    assert (tmp_path / f"targets-{TRAINED.name}.npz").stat().st_mtime_ns > written


def test_a_later_stage_uses_the_basis_of_its_initial_weights(tmp_path: Path) -> None:
    """Without it, a stage on other photos would have another basis of another subspace."""
    teachers, first, second = TeacherFiles((TRAINED,)), tmp_path / "first", tmp_path / "second"
    _, reduction = distillation_targets(first, teachers, synthetic_crops(20, 2), 16)
    inherit_reduction(second, first / "checkpoint.pt")
    _, inherited = distillation_targets(second, teachers, synthetic_crops(10, 2), 16)
    assert reduction is not None
    assert inherited is not None
    assert np.array_equal(inherited, reduction)
    own = np.ones_like(reduction)
    np.save(second / "reduction.npy", own)
    inherit_reduction(second, first / "checkpoint.pt")
    assert np.array_equal(np.load(second / "reduction.npy"), own), (
        "a run's own reduction is not replaced"
    )


_CHECKOUT = Path(__file__).parents[3]
_SIGNAL_AFTER_TWO_TEACHERS = """
import os, signal, sys
from pathlib import Path
from tests.models import TRAINED
from tests.training.faces.patterns import synthetic_crops
from training.faces.targets import distillation_targets
from training.faces.teacher import TeacherFiles

teachers = TeacherFiles((TRAINED, TRAINED))
distillation_targets(Path(sys.argv[1]), teachers, synthetic_crops(2, 2), 16)
signal.signal(signal.SIGUSR1, lambda *_: print("handled", flush=True))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_signals_are_handled_after_two_teachers_were_unloaded(tmp_path: Path) -> None:
    """OpenVINO left a freed signal stack on processors with AMX: the next signal was a crash."""
    pytest.importorskip("openvino", reason="requires the extra `train`")
    command = [sys.executable, "-c", _SIGNAL_AFTER_TWO_TEACHERS, str(tmp_path)]
    done = subprocess.run(command, cwd=_CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "handled" in done.stdout
