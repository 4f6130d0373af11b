"""Error versus discard: how well quality scores predict which genuine pairs are not matched.

Of the genuine pairs of held-out people, those with the lowest quality (the lower of the two
photos') are discarded. The share of the remaining pairs that are not matched at a fixed threshold
(FNMR) falls quickly if the score predicts recognition (Grother & Tabassi 2007).
"""

from collections.abc import Mapping
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from app.faces.pipeline.quality import QualityLimits, head_turn
from app.faces.pipeline.quality_model import CROP_SIZE, QualityModel
from training.faces.drawings import STYLES
from training.faces.quality_data import KINDS, VERSIONS, QualityData, drawn_crops
from training.faces.quality_network import DRAWN_STYLES, impostor_threshold

mpl.use("Agg")  # renders to files, needs no display
from matplotlib import pyplot as plt

DISCARDED = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
_DRAWN = np.linspace(0.0, 0.6, 61)
_DRAWINGS = 500
_TITLES = ("photos as they are", "half of the photos spoiled")

Scores = NDArray[np.float64]
"""Quality of each version of each crop, shape (n, VERSIONS)."""


def measure_quality(data: QualityData, network: QualityModel, fmr: float, plot: Path) -> None:
    """Print FNMR versus discarded pairs, the reliability of the score, and its level by kind."""
    rows = data.held_out
    grey, vectors = data.grey[rows], data.vectors[rows]
    flat = grey.reshape(-1, CROP_SIZE, CROP_SIZE)
    parts = [network.score(list(flat[start : start + 128])) for start in range(0, len(flat), 128)]
    rng = np.random.default_rng(0)
    scores: dict[str, Scores] = {
        "random order": rng.random(grey.shape[:2]),
        "worst of seven limits (before)": _worst_ratio(grey, data.landmarks[rows]),
        "agreement with the mirror image": data.mirror[rows].astype(np.float64),
        "network": np.concatenate(parts).reshape(-1, VERSIONS),
    }
    same = data.identity[rows][:, None] == data.identity[rows][None]
    threshold = impostor_threshold(vectors[:, 0], same, fmr)
    np.fill_diagonal(same, False)
    first, second = (index for index in np.nonzero(np.triu(same)))
    clean = np.zeros(len(grey), dtype=np.int64)
    mixed = np.where(rng.random(len(grey)) < 0.5, 1, 0)
    print(f"{len(grey)} crops, {len(first)} genuine pairs, threshold {threshold:.4f}")
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6))
    for axis, title, version in zip(axes, _TITLES, (clean, mixed), strict=True):
        chosen = vectors[np.arange(len(grey)), version]
        missed = (chosen[first] * chosen[second]).sum(axis=1) < threshold
        curves = {
            name: _curve(score[np.arange(len(grey)), version], first, second, missed)
            for name, score in scores.items()
        }
        _print_table(title, curves)
        for name, curve in curves.items():
            axis.plot(100 * _DRAWN, [100 * curve(share) for share in _DRAWN], label=name)
        axis.set(
            title=title, xlabel="pairs discarded by quality, %", ylabel="FNMR, %", ylim=(0, None)
        )
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8, loc="lower left")
    figure.tight_layout()
    plot.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(plot, dpi=90)
    plt.close(figure)
    _print_reliability(scores["network"], vectors, same, threshold)
    _print_kinds(scores["network"], data.kind[rows])
    _print_drawings(network)


class _Curve:
    """FNMR of the pairs that remain after a share with the lowest quality is discarded."""

    def __init__(self, missed_by_quality: NDArray[np.bool_]) -> None:
        self._missed = missed_by_quality

    def __call__(self, share: float) -> float:
        return float(self._missed[int(len(self._missed) * share) :].mean())


def _curve(
    score: NDArray[np.float64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    missed: NDArray[np.bool_],
) -> _Curve:
    lower = np.minimum(score[first], score[second])
    # Ties, which are frequent in the score before, are broken at random.
    order = np.lexsort((np.random.default_rng(1).random(len(lower)), lower))
    return _Curve(missed[order])


def _worst_ratio(grey: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> Scores:
    """The score before the network: r / (1 + r) of the worst ratio r of a measure to its limit.

    Without the measures of the box, which the crops do not have; the detection score counts as 1.
    """
    limits = QualityLimits()
    found = np.empty(grey.shape[:2])
    for row, v in np.ndindex(*found.shape):
        light = float(grey[row, v].mean())
        turn = head_turn(landmarks[row, v].astype(np.float64))
        worst = min(
            float(cv2.Laplacian(grey[row, v], cv2.CV_32F).var()) / limits.min_sharpness,
            light / limits.min_light,
            (255.0 - light) / (255.0 - limits.max_light),
            limits.max_turn / max(turn, 1e-6),
            1.0 / limits.min_detection_score,
        )
        found[row, v] = round(worst / (1.0 + worst), 3)
    return found


def _print_table(title: str, curves: Mapping[str, _Curve]) -> None:
    print(f"\n{title}: FNMR with the lowest share of pairs by quality discarded")
    print("| score | " + " | ".join(f"{share:.0%}" for share in DISCARDED) + " |")
    for name, curve in curves.items():
        print(f"| {name} | " + " | ".join(f"{curve(share):.4f}" for share in DISCARDED) + " |")


def _print_reliability(
    score: Scores, vectors: NDArray[np.float32], same: NDArray[np.bool_], threshold: float
) -> None:
    """Compare the score with the share of clean photos of the person that the face matches."""
    matched = np.einsum("nvd,md->nvm", vectors, vectors[:, 0]) >= threshold
    share = (matched & same[:, None]).sum(axis=2) / np.maximum(same.sum(axis=1), 1)[:, None]
    print("\n| score | faces | mean score | matched |")
    for low in np.arange(0.0, 1.0, 0.1):
        inside = (score >= low) & (score < low + 0.1)
        if inside.any():
            print(
                f"| {low:.1f} to {low + 0.1:.1f} | {inside.sum()} "
                f"| {score[inside].mean():.2f} | {share[inside].mean():.2f} |"
            )


def _print_kinds(score: Scores, kind: NDArray[np.int8]) -> None:
    print("\n| photos | 5th percentile | median | 95th percentile | below the limit |")
    for number, name in ((-1, "as they are"), *enumerate(KINDS)):
        _print_level(name, score[kind == number])


def _print_drawings(network: QualityModel) -> None:
    """Drawings with other random numbers than those of the fit, and of a style it did not use."""
    for style in STYLES:
        unknown = "" if style in DRAWN_STYLES else ", style not in the fit"
        drawn = drawn_crops(style, _DRAWINGS, seed=1)
        _print_level(f"drawings: {style}{unknown}", network.score(list(drawn)))


def _print_level(name: str, score: Scores) -> None:
    low, middle, high = np.percentile(score, (5, 50, 95))
    refused = float((score < QualityLimits().min_score).mean())
    print(f"| {name} | {low:.2f} | {middle:.2f} | {high:.2f} | {refused:.3f} |")
