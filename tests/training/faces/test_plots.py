"""Plots are written as PNG files."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="requires the extra `train`")

from training.faces.metrics import error_curve
from training.faces.plots import plot_errors, plot_mining, plot_run


def test_plots_are_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    same = np.arange(400) % 2 == 0
    curve = error_curve(rng.normal(0.3, 0.2, 400) + 0.4 * same, same)
    plot_errors({"model": curve}, tmp_path / "errors.png")
    log = tmp_path / "log.csv"
    columns = "step,loss,active,one_shot_rank1,teacher_cosine,fnir_at_fpir_1e2"
    log.write_text(f"{columns}\n1,2,1,.1,.1,.9\n2,1,.5,.2,.3,.8\n")
    plot_run(log, tmp_path / "run.png")
    plot_mining({"random": log, "hard": log}, tmp_path / "mining.png")
    for name in ("errors", "run", "mining"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
