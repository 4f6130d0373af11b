"""The stages as the command line calls them: read what they need, run, save."""

import json
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from app.faces.decode import ImageLimits
from app.faces.embed import OnnxEmbedder, load_embedder
from app.faces.mtcnn import Mtcnn
from app.faces.pipeline import FacePipeline
from app.faces.quality import QualityLimits
from app.faces.thresholds import Thresholds
from app.faces.types import Points
from app.inference.manifest import (
    Calibration,
    FivePoint,
    Manifest,
    Training,
    read_manifest,
    read_verified,
)
from app.inference.session import OnnxSession, choose_providers
from app.vectors import Matrix
from training.faces.batches import CropSpec
from training.faces.calibrate import (
    calibrate,
    genuine_similarities,
    impostors_by_group,
    rates_at,
)
from training.faces.checkpoint import read_average
from training.faces.config import DistillConfig, RunConfig, TripletConfig, read_config
from training.faces.crops import adults, held_out, joined, read_shards
from training.faces.export import export_onnx, parity, record_accuracy, write_manifest
from training.faces.lfw import embed_photos, pair_similarities, read_pairs
from training.faces.loop import TrainingRun
from training.faces.metrics import tar_at_far, ten_fold_accuracy
from training.faces.morphs import make_morphs
from training.faces.objectives import Distil, Objective, TripletTuning
from training.faces.oneshot import one_shot_rank1
from training.faces.targets import crop_for, embed_crops, load_or_embed
from training.networks.inception_resnet_v1 import InceptionResnetV1

_DATA = (
    "37,185 aligned face crops (UTKFace, CelebA) less a held-out eighth; research data, uneven "
    "in pose, age and origin"
)
_METHOD = (
    "distilled from face-reidentification-retail-0095 (Open Model Zoo, Apache-2.0): cosine to "
    "its embedding and the batch's similarity matrix; photos and blends of two of them"
)
_BENCHMARK = "LFW, 6,000 pairs, 10 folds, whole serving pipeline, misses counted as errors"
_COMMAND = "sima-train evaluate --lfw FOLDER"
_POPULATION = (
    "adults of the held-out eighth of UTKFace, pairs within each of its five groups; every knot "
    "is the threshold of the group that needs the highest"
)


def load_teacher(folder: Path, weights: Path | None) -> OnnxEmbedder:
    """A model by its manifest, its ONNX file being in `weights` where that is another folder."""
    manifest = read_manifest(folder)
    content = read_verified((weights or folder) / manifest.file, manifest.sha256)
    return OnnxEmbedder(manifest, OnnxSession(content, choose_providers("auto")))


def template_of(manifest: Manifest) -> Points:
    """The five-point template of a manifest, fractions of the crop."""
    if not isinstance(manifest.alignment, FivePoint):
        raise ValueError(f"{manifest.name} is not aligned by five points")
    return np.array(manifest.alignment.template, dtype=np.float64)


def run_stage(
    stage: Literal["distil", "triplet"],
    data: Path,
    run: Path,
    teacher: tuple[Path, Path | None],
    config_file: Path | None,
    limit: int | None,
    cool_down_now: bool,
    start: Path | None,
) -> None:
    """One stage of training; the held-out eighth only measures.

    `teacher` is a manifest's folder and that of its weights; `start` a checkpoint whose averaged
    weights the stage begins with.
    """
    cv2.setNumThreads(1)
    embedder = load_teacher(*teacher)
    crops = read_shards(data, limit)
    targets = load_or_embed(run / "targets.npz", embedder, crops)
    aside = held_out(crops)
    seen, seen_targets = crops.take(~aside), targets[~aside]
    template = template_of(embedder.manifest)
    config: RunConfig
    objective: Objective
    if stage == "distil":
        config = distill = read_config(DistillConfig, config_file)
        spec = CropSpec(config.network.size, template)
        if distill.morphs:
            morphs = make_morphs(seen, distill.morphs, distill.seed)
            path = run / "morph-targets.npz"
            more = load_or_embed(path, embedder, morphs, mirror=False)
            seen, seen_targets = joined(seen, morphs), np.concatenate([seen_targets, more])
        objective = Distil(distill, spec, seen, seen_targets)
    else:
        config = triplet = read_config(TripletConfig, config_file)
        spec = CropSpec(config.network.size, template)
        objective = TripletTuning(triplet, spec, seen, seen_targets)
    measured = np.flatnonzero(aside & (crops.identity != ""))
    training = TrainingRun(
        run,
        config,
        spec,
        objective,
        held_out=(crops.take(measured), targets[measured]),
        start=read_average(start)[0] if start is not None else None,
    )
    progress = training.run(cool_down_now)
    print(f"stopped at step {progress.step}; checkpoint {training.checkpoint}")


def run_export(
    data: Path,
    run: Path,
    teacher_folder: Path,
    config_file: Path | None,
    limit: int | None,
    name: str,
    out: Path,
) -> None:
    """Averaged weights -> ONNX + manifest with a calibration table from the held-out eighth."""
    cv2.setNumThreads(1)
    config = read_config(DistillConfig, config_file)
    net = config.network
    template = template_of(read_manifest(teacher_folder))
    network = InceptionResnetV1(net.dimension, net.width)
    state, steps = read_average(run / "checkpoint.pt")
    network.load_state_dict(state)
    content = export_onnx(network.eval(), net.size, out)
    samples = steps * config.batch
    about = Training(data=_DATA, method=_METHOD, samples=samples)
    title = f"Inception-ResNet v1, width {net.width}, {net.size} pixels, {net.dimension}-d"

    def write(calibration: Calibration | None) -> None:
        write_manifest(out, name, title, net, template, about, calibration, ())

    write(None)
    embedder = load_embedder(out, choose_providers("cpu"))
    crops = read_shards(data, limit)
    unseen = held_out(crops)
    people = crops.take(unseen & (crops.identity != ""))
    grown = crops.take(unseen & adults(crops))
    shown = [crop_for(embedder, grown, row) for row in range(min(32, len(grown)))]
    print(f"parity with torch: {parity(network, content, shown, net):.1e}")
    impostors = impostors_by_group(embed_crops(embedder, grown), grown.group)
    calibration = calibrate(impostors, _POPULATION)
    write(calibration)
    report_held_out(calibration, impostors, embed_crops(embedder, people), people.identity)


def report_held_out(
    calibration: Calibration,
    impostors: dict[str, NDArray[np.float32]],
    embeddings: Matrix,
    identity: NDArray[np.str_],
) -> None:
    """Print what the model does for people that no training saw."""
    genuine = genuine_similarities(embeddings, identity)
    thresholds = Thresholds(calibration)
    print(f"held-out one-shot rank-1: {one_shot_rank1(embeddings, identity)}")
    for target in (1e-2, 1e-3):
        at = thresholds.for_fmr(target)
        missed = float((genuine < at).mean())
        print(f"FMR {target:g}: threshold {at:.4f}, held-out FNMR {missed:.4f}")
        for rate in rates_at(impostors, at):
            print(f"  {rate.group:8} {rate.pairs:8} pairs  FMR {rate.fmr:.5f}")


def run_evaluation(
    model: Path, weights: Path | None, lfw: Path, report: Path | None, record: bool
) -> None:
    """LFW through the whole serving pipeline, for any manifest."""
    cv2.setNumThreads(1)
    embedder = load_teacher(model, weights)
    pipeline = FacePipeline(
        Mtcnn(choose_providers("cpu")), embedder, ImageLimits(), QualityLimits()
    )
    pairs = read_pairs(lfw / "pairs.txt")
    vectors = embed_photos(lfw / "lfw-pairs-images.tar", pipeline)
    similarities = pair_similarities(pairs, vectors.get)
    accuracy = ten_fold_accuracy(similarities, pairs.same, pairs.fold)
    lines = {
        "lfw_accuracy": accuracy.mean,
        "lfw_standard_error": accuracy.standard_error,
        "failure_to_acquire": accuracy.failure_to_acquire,
        "tar_at_far_1e-2": tar_at_far(similarities, pairs.same, 1e-2),
        "tar_at_far_1e-3": tar_at_far(similarities, pairs.same, 1e-3),
    }
    if embedder.manifest.calibration is not None:
        threshold = Thresholds(embedder.manifest.calibration).for_fmr(1e-3)
        lines["threshold_at_stated_fmr_1e-3"] = threshold
        lines["lfw_fmr_there"] = float((similarities[~pairs.same] >= threshold).mean())
        lines["lfw_fnmr_there"] = float(1.0 - (similarities[pairs.same] >= threshold).mean())
    for key, value in lines.items():
        print(f"{key:30} {value:.5f}")
    if record:
        measured = {key: lines[key] for key in ("lfw_accuracy", "tar_at_far_1e-3")}
        record_accuracy(model, _BENCHMARK, measured, f"{_COMMAND} {model}")
    if report is not None:
        report.write_text(json.dumps({"model": embedder.space.name, **lines}, indent=2) + "\n")
