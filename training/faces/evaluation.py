"""Evaluates a model with the serving code: LFW verification and one-shot identification."""

from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import orjson

from app.faces.decisions.normalisation import (
    NoNormalisation,
    ScoreNormaliser,
    load_normaliser,
)
from app.faces.decisions.policy import DecisionPolicy
from app.faces.decisions.search_thresholds import SearchThresholds
from app.faces.decisions.thresholds import Thresholds
from app.faces.pipeline.decode import ImageLimits
from app.faces.pipeline.embed import Embedder
from app.faces.pipeline.mtcnn import Mtcnn
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.quality import QualityLimits
from app.faces.pipeline.quality_model import QualityModel
from app.inference.session import choose_providers
from app.vectors import Matrix, Vector
from training.faces.crops import held_out
from training.faces.defaults import Defaults, measure_defaults
from training.faces.export import record_accuracy
from training.faces.lfw import (
    Pairs,
    PhotoVectors,
    embed_photos,
    identity_of,
    pair_scores,
    read_pairs,
)
from training.faces.metrics import Similarities, error_curve, tar_at_far, ten_fold_accuracy
from training.faces.oneshot import Correction, Identities, episodes, one_shot_rank1, open_set
from training.faces.plots import plot_errors
from training.faces.population import one_photo_a_person
from training.faces.sources import read_crops
from training.faces.targets import embed_crops
from training.faces.teacher import load_teacher

_BENCHMARK = "LFW, 6,000 pairs, 10 folds, whole serving pipeline, undetected faces count as errors"
_COMMAND = "sima-train evaluate --lfw FOLDER"
_WAYS = (5, 20, 100)


@dataclass(frozen=True, slots=True)
class Verification:
    """LFW pairs: accuracy with its standard error, failure to acquire, true accept rates."""

    accuracy: float
    standard_error: float
    failure_to_acquire: float
    tar_at_far_1e2: float
    tar_at_far_1e3: float


@dataclass(frozen=True, slots=True)
class Identification:
    """One-shot identification; `episodes` maps `N-way` to the mean accuracy."""

    people: int
    probes: int
    strangers: int
    rank1: float
    fnir_at_fpir_1e2: float
    episodes: dict[str, float]


@dataclass(frozen=True, slots=True)
class AtStatedFmr:
    """Error rates on LFW at the calibrated threshold for FMR 0.001."""

    threshold: float
    lfw_fmr: float
    lfw_fnmr: float


@dataclass(frozen=True, slots=True)
class Report:
    """Results of `sima-train evaluate`; None if not measured."""

    model: str
    digest: str
    lfw: dict[str, Verification]
    lfw_at_stated_fmr_1e3: AtStatedFmr | None
    lfw_one_shot: Identification | None
    held_out_one_shot: Identification | None
    held_out_at_defaults: Defaults | None

    def as_text(self) -> str:
        """One number per line: its path and its value."""
        lines: list[str] = []

        def walk(value: object, path: str) -> None:
            if isinstance(value, dict):
                for key, inner in value.items():
                    walk(inner, f"{path}.{key}" if path else key)
            elif isinstance(value, tuple):
                for number, inner in enumerate(value):
                    walk(inner, f"{path}.{number}")
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
    """Evaluate the model folder `model` on LFW, on held-out people, or on both.

    `weights` is the folder of the ONNX file, `lfw` that of `pairs.txt` and the photos' tar, `crops`
    the training data, read with `limit` as in training. `plot` is the file for ROC and DET.
    """
    cv2.setNumThreads(1)
    embedder = load_teacher(model, weights)
    normaliser = load_normaliser(model, embedder.manifest)
    verification: dict[str, Verification] = {}
    stated = lfw_one_shot = None
    if lfw is not None:
        pairs = read_pairs(lfw / "pairs.txt")
        seen = embed_photos(lfw / "lfw-pairs-images.tar", _pipeline(embedder))
        ways = _scores_by_face(pairs, seen, normaliser)
        verification = {name: _verification(found, pairs) for name, found in ways.items()}
        stated = _at_stated_fmr(embedder, ways["subject"], pairs)
        vectors, identity = _labelled(seen)
        lfw_one_shot = identification(vectors, identity, normaliser.corrections(vectors))
        if plot is not None:
            curves = {name: error_curve(found, pairs.same) for name, found in ways.items()}
            plot_errors(curves, plot)
    held_out = None if crops is None else _held_out_people(embedder, normaliser, crops, limit)
    return Report(
        model=embedder.space.name,
        digest=embedder.space.digest,
        lfw=verification,
        lfw_at_stated_fmr_1e3=stated,
        lfw_one_shot=lfw_one_shot,
        held_out_one_shot=None if held_out is None else held_out[0],
        held_out_at_defaults=None if held_out is None else held_out[1],
    )


def identification(
    embeddings: Matrix, identity: Identities, correction: Correction | None = None
) -> Identification:
    """One-shot identification metrics of embeddings (n, dimension) with identities (n,).

    Rank-1 and the open set use scores less `correction`, episodes the cosine.
    """
    closed = one_shot_rank1(embeddings, identity, correction)
    opened = open_set(embeddings, identity, correction)
    return Identification(
        people=closed.people,
        probes=closed.probes,
        strangers=opened.strangers,
        rank1=closed.rank1,
        fnir_at_fpir_1e2=opened.fnir,
        episodes={f"{n}-way": episodes(embeddings, identity, n).accuracy for n in _WAYS},
    )


def write_report(report: Report, path: Path) -> None:
    """Write the report as JSON; numbers that cannot be computed (NaN) are null."""
    path.write_bytes(orjson.dumps(asdict(report), option=orjson.OPT_INDENT_2))


def record(report: Report, model: Path) -> None:
    """Replace the accuracy in the manifest of `model` by that of the report."""
    subject = report.lfw["subject"]
    measured = {"lfw_accuracy": subject.accuracy, "tar_at_far_1e-3": subject.tar_at_far_1e3}
    record_accuracy(model, _BENCHMARK, measured, f"{_COMMAND} {model}")


def _pipeline(embedder: Embedder) -> FacePipeline:
    providers = choose_providers("cpu")
    detector, quality_model = Mtcnn(providers), QualityModel(providers)
    return FacePipeline(detector, embedder, ImageLimits(), QualityLimits(), quality_model)


def _scores_by_face(
    pairs: Pairs, seen: dict[str, PhotoVectors], normaliser: ScoreNormaliser
) -> dict[str, Similarities]:
    """Normalised scores by choice of face, and the plain cosine of the subjects."""

    def subject(name: str) -> Vector | None:
        return seen[name].subject

    def largest(name: str) -> Vector | None:
        return seen[name].largest

    def aligned(name: str) -> Vector | None:
        return seen[name].aligned

    return {
        "subject": pair_scores(pairs, subject, normaliser),
        "subject_cosine": pair_scores(pairs, subject, NoNormalisation()),
        "largest": pair_scores(pairs, largest, normaliser),
        "aligned": pair_scores(pairs, aligned, normaliser),
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


def _at_stated_fmr(
    embedder: Embedder, similarities: Similarities, pairs: Pairs
) -> AtStatedFmr | None:
    if embedder.manifest.calibration is None:
        return None
    threshold = Thresholds(embedder.manifest.calibration).for_fmr(1e-3)
    accepted = similarities >= threshold
    return AtStatedFmr(
        threshold=threshold,
        lfw_fmr=float(accepted[~pairs.same].mean()),
        lfw_fnmr=float(1.0 - accepted[pairs.same].mean()),
    )


def _labelled(seen: dict[str, PhotoVectors]) -> tuple[Matrix, Identities]:
    """Embeddings and identities by file name; a zero vector for a photo without a face."""
    names = sorted(seen)
    zero = np.zeros_like(seen[names[0]].aligned)
    found = [seen[name].subject for name in names]
    rows = [zero if vector is None else vector for vector in found]
    return np.stack(rows), np.array([identity_of(name) for name in names])


def _held_out_people(
    embedder: Embedder, normaliser: ScoreNormaliser, folder: Path, limit: int | None
) -> tuple[Identification, Defaults | None]:
    crops = read_crops(folder, limit)
    people = crops.take(held_out(crops) & (crops.identity != ""))
    embeddings = embed_crops(embedder, people)
    found = identification(embeddings, people.identity, normaliser.corrections(embeddings))
    calibration = embedder.manifest.calibration
    if calibration is None:
        return found, None
    search = SearchThresholds.of(embedder.manifest)
    policy = DecisionPolicy(Thresholds(calibration), normaliser, search)
    others = embed_crops(embedder, crops.take(held_out(crops) & one_photo_a_person(crops)))
    return found, measure_defaults(policy, embeddings, people.identity, others)
