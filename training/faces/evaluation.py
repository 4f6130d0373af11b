"""How good a model is, measured through the serving code; any manifest, the teacher too."""

from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import orjson

from app.faces.decisions.thresholds import Thresholds
from app.faces.pipeline.decode import ImageLimits
from app.faces.pipeline.embed import Embedder
from app.faces.pipeline.mtcnn import Mtcnn
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.quality import QualityLimits
from app.inference.session import choose_providers
from app.vectors import Matrix, Vector
from training.faces.crops import held_out
from training.faces.export import record_accuracy
from training.faces.lfw import Pairs, Seen, embed_photos, identity_of, pair_similarities, read_pairs
from training.faces.metrics import Similarities, error_curve, tar_at_far, ten_fold_accuracy
from training.faces.oneshot import Identities, episodes, one_shot_rank1, open_set
from training.faces.plots import plot_errors
from training.faces.sources import read_crops
from training.faces.targets import embed_crops
from training.faces.teacher import load_teacher

_BENCHMARK = "LFW, 6,000 pairs, 10 folds, whole serving pipeline, misses counted as errors"
_COMMAND = "sima-train evaluate --lfw FOLDER"
_WAYS = (5, 20, 100)


@dataclass(frozen=True, slots=True)
class Verification:
    """LFW pairs: accuracy with its standard error, true accept rates, misses of the detector."""

    accuracy: float
    standard_error: float
    failure_to_acquire: float
    tar_at_far_1e2: float
    tar_at_far_1e3: float


@dataclass(frozen=True, slots=True)
class Identification:
    """One photo a person enrolled; `episodes` maps the ways to the mean accuracy."""

    people: int
    probes: int
    strangers: int
    rank1: float
    fnir_at_fpir_1e2: float
    episodes: dict[str, float]


@dataclass(frozen=True, slots=True)
class AtStatedRate:
    """What the calibrated threshold for FMR 0.001 does on LFW, whose impostors are easier."""

    threshold: float
    lfw_fmr: float
    lfw_fnmr: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that `sima-train evaluate` measured."""

    model: str
    digest: str
    lfw: dict[str, Verification]
    lfw_at_stated_fmr_1e3: AtStatedRate | None
    lfw_one_shot: Identification | None
    held_out_one_shot: Identification | None

    def as_text(self) -> str:
        """One number a line, for people."""
        lines: list[str] = []

        def walk(value: object, path: str) -> None:
            if isinstance(value, dict):
                for key, inner in value.items():
                    walk(inner, f"{path}.{key}" if path else key)
            elif value is not None:
                shown = f"{value:.5f}" if isinstance(value, float) else str(value)
                lines.append(f"{path:44} {shown}")

        walk(asdict(self), "")
        return "\n".join(lines)


def evaluate(
    model: Path,
    weights: Path | None,
    lfw: Path | None,
    crops: Path | None,
    plot: Path | None,
    limit: int | None = None,
) -> Report:
    """LFW from its photos, and one-shot identification of the people no training saw.

    `limit` reads so many of the training photos in `crops`, as a limited training did.
    """
    cv2.setNumThreads(1)
    embedder = load_teacher(model, weights)
    verification: dict[str, Verification] = {}
    stated = lfw_one_shot = None
    if lfw is not None:
        pairs = read_pairs(lfw / "pairs.txt")
        seen = embed_photos(lfw / "lfw-pairs-images.tar", _pipeline(embedder))
        ways = _by_choice(pairs, seen)
        verification = {name: _verification(found, pairs) for name, found in ways.items()}
        stated = _at_stated_rate(embedder, ways["subject"], pairs)
        lfw_one_shot = identification(*_labelled(seen))
        if plot is not None:
            curves = {name: error_curve(found, pairs.same) for name, found in ways.items()}
            plot_errors(curves, plot)
    return Report(
        model=embedder.space.name,
        digest=embedder.space.digest,
        lfw=verification,
        lfw_at_stated_fmr_1e3=stated,
        lfw_one_shot=lfw_one_shot,
        held_out_one_shot=None if crops is None else _of_held_out(embedder, crops, limit),
    )


def identification(embeddings: Matrix, identity: Identities) -> Identification:
    """One-shot identification among everybody in a set."""
    closed, opened = one_shot_rank1(embeddings, identity), open_set(embeddings, identity)
    return Identification(
        people=closed.people,
        probes=closed.probes,
        strangers=opened.strangers,
        rank1=closed.rank1,
        fnir_at_fpir_1e2=opened.fnir,
        episodes={f"{n}-way": episodes(embeddings, identity, n).accuracy for n in _WAYS},
    )


def write_report(report: Report, path: Path) -> None:
    """As JSON; null where a set is too small for a number."""
    path.write_bytes(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2))


def record(report: Report, model: Path) -> None:
    """Into the manifest, in place of older numbers."""
    subject = report.lfw["subject"]
    measured = {"lfw_accuracy": subject.accuracy, "tar_at_far_1e-3": subject.tar_at_far_1e3}
    record_accuracy(model, _BENCHMARK, measured, f"{_COMMAND} {model}")


def _pipeline(embedder: Embedder) -> FacePipeline:
    detector = Mtcnn(choose_providers("cpu"))
    return FacePipeline(detector, embedder, ImageLimits(), QualityLimits())


def _by_choice(pairs: Pairs, seen: dict[str, Seen]) -> dict[str, Similarities]:
    def subject(name: str) -> Vector | None:
        return seen[name].subject

    def largest(name: str) -> Vector | None:
        return seen[name].largest

    def aligned(name: str) -> Vector | None:
        return seen[name].aligned

    return {
        "subject": pair_similarities(pairs, subject),
        "largest": pair_similarities(pairs, largest),
        "aligned": pair_similarities(pairs, aligned),
    }


def _verification(similarities: Similarities, pairs: Pairs) -> Verification:
    folds = ten_fold_accuracy(similarities, pairs.same, pairs.fold)
    return Verification(
        accuracy=folds.mean,
        standard_error=folds.standard_error,
        failure_to_acquire=folds.failure_to_acquire,
        tar_at_far_1e2=tar_at_far(similarities, pairs.same, 1e-2),
        tar_at_far_1e3=tar_at_far(similarities, pairs.same, 1e-3),
    )


def _at_stated_rate(
    embedder: Embedder, similarities: Similarities, pairs: Pairs
) -> AtStatedRate | None:
    if embedder.manifest.calibration is None:
        return None
    threshold = Thresholds(embedder.manifest.calibration).for_fmr(1e-3)
    passed = similarities >= threshold
    return AtStatedRate(
        threshold=threshold,
        lfw_fmr=float(passed[~pairs.same].mean()),
        lfw_fnmr=float(1.0 - passed[pairs.same].mean()),
    )


def _labelled(seen: dict[str, Seen]) -> tuple[Matrix, Identities]:
    """In the order of the file names; a photo without a face is similar to nobody."""
    names = sorted(seen)
    nothing = np.zeros_like(seen[names[0]].aligned)
    found = [seen[name].subject for name in names]
    rows = [nothing if vector is None else vector for vector in found]
    return np.stack(rows), np.array([identity_of(name) for name in names])


def _of_held_out(embedder: Embedder, folder: Path, limit: int | None) -> Identification:
    crops = read_crops(folder, limit)
    people = crops.take(held_out(crops) & (crops.identity != ""))
    return identification(embed_crops(embedder, people), people.identity)
