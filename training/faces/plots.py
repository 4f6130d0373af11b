"""Plots of training logs and verification error curves."""

import csv
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from app.faces.decisions.measurement import Measurement
from training.faces.metrics import Curve

mpl.use("Agg")  # renders to files, needs no display
from matplotlib import pyplot as plt

_LOWEST_RATE = 1e-6
_FLOOR = 1e-4  # lower rates are drawn here


def plot_errors(curves: Mapping[str, Curve], path: Path) -> None:
    """Plot ROC (TAR over FAR) and DET (FNMR over FMR, log-log), one line per name."""
    figure, (roc, det) = plt.subplots(1, 2, figsize=(11, 4.5))
    for name, curve in curves.items():
        roc.semilogx(np.maximum(curve.false_match, _FLOOR), 1 - curve.false_non_match, label=name)
        det.loglog(
            np.maximum(curve.false_match, _FLOOR),
            np.maximum(curve.false_non_match, _FLOOR),
            label=name,
        )
    roc.set(title="ROC", xlabel="false accept rate", ylabel="true accept rate", ylim=(0.8, 1.002))
    det.set(title="DET", xlabel="false match rate", ylabel="false non-match rate")
    _finish(figure, (roc, det), path)


def plot_decisions(measurement: Measurement, path: Path) -> None:
    """Plot FMR by group against the threshold, and DET, with and without normalisation."""
    figure, (before, after, det) = plt.subplots(1, 3, figsize=(16, 4.8))
    thresholds = np.linspace(-0.1, 0.9, 400)
    stages = (
        (before, "cosine", measurement.plain),
        (after, f"normalised, weight {measurement.compared_weight:g}", measurement.compared),
    )
    for axes, name, scores in stages:
        for group, impostors in scores.impostors.items():
            rates = [max(impostors.share_at(t), _LOWEST_RATE) for t in thresholds]
            axes.semilogy(thresholds, rates, label=group)
        axes.axhline(1e-3, color="grey", linewidth=0.8, linestyle="--")
        axes.set(title=f"FMR by group, {name}", xlabel="threshold", ylim=(_LOWEST_RATE, 1))
        worst = [max(i.share_at(t) for i in scores.impostors.values()) for t in thresholds]
        missed = [1.0 - scores.genuine.share_at(t) for t in thresholds]
        det.loglog(np.maximum(worst, _LOWEST_RATE), np.maximum(missed, 1e-3), label=name)
    det.set(title="Held-out people", xlabel="FMR of the worst-served group", ylabel="FNMR")
    _finish(figure, (before, after, det), path)


def read_log(path: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a run's `log.csv` by name."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([float(row[name]) for row in rows]) for name in (rows or [{}])[0]}


def plot_run(log: Path, path: Path) -> None:
    """Plot loss and held-out metrics by step."""
    columns = read_log(log)
    figure, (loss, accuracy, missed) = plt.subplots(1, 3, figsize=(15, 4))
    loss.plot(columns["step"], columns["loss"], label="training loss")
    loss.set(title="Loss", xlabel="step")
    accuracy.plot(columns["step"], columns["one_shot_rank1"], label="one-shot rank-1")
    accuracy.plot(columns["step"], columns["teacher_cosine"], label="cosine to the teacher")
    accuracy.set(title="Held-out people", xlabel="step")
    missed.plot(columns["step"], columns["fnir_at_fpir_1e2"], label="FNIR at FPIR 1 %")
    missed.set(title="Held-out people, open set", xlabel="step")
    _finish(figure, (loss, accuracy, missed), path)


def plot_mining(logs: Mapping[str, Path], path: Path) -> None:
    """Plot the share of active triplets and rank-1 by step, one line per miner."""
    figure, (active, accuracy) = plt.subplots(1, 2, figsize=(11, 4))
    for name, log in logs.items():
        columns = read_log(log)
        active.plot(columns["step"], columns["active"], label=name)
        accuracy.plot(columns["step"], columns["one_shot_rank1"], label=name)
    active.set(title="Active triplets", xlabel="step", ylabel="share", ylim=(0, 1.02))
    accuracy.set(title="One-shot rank-1, held-out people", xlabel="step")
    _finish(figure, (active, accuracy), path)


def _finish(figure: "plt.Figure", axes: tuple["plt.Axes", ...], path: Path) -> None:
    for axis in axes:
        axis.grid(alpha=0.3, which="both")
        axis.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
