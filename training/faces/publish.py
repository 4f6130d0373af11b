"""Makes a model folder from a run's checkpoint: ONNX file, manifest, calibration table."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import ModelError
from app.faces.decisions.calibration import (
    calibrate,
    genuine_similarities,
    impostors_between,
    impostors_by_group,
    rates_at,
)
from app.faces.decisions.thresholds import Thresholds
from app.faces.pipeline.embed import load_embedder
from app.inference.manifest import Calibration, Manifest, Training, write_manifest
from app.inference.session import choose_providers
from app.vectors import Matrix
from training.faces.checkpoint import read_average
from training.faces.config import DistillConfig, read_config
from training.faces.crops import CropSet, adults, held_out
from training.faces.export import export_onnx, manifest_for, parity
from training.faces.oneshot import one_shot_rank1
from training.faces.same_person import people_of
from training.faces.sources import read_crops
from training.faces.targets import crop_for, embed_crops
from training.faces.teacher import TeacherFiles
from training.networks.inception_resnet_v1 import InceptionResnetV1

_DATA = "{crops:,} aligned face crops ({sources}); held-out crops are excluded"
_BY_GROUP = (
    "held-out adults, impostor pairs within each of {groups} groups; every knot is the highest "
    "threshold of any group"
)
_BY_PERSON = "held-out people, all impostor pairs; no groups are known"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Inputs of an export, as the command line passes them.

    `data` is read by `read_crops`, with `limit`; `run` is the run's folder; `name` and `out` are
    the model's name and folder; `config` is the configuration of the distillation.
    """

    data: Path
    run: Path
    teachers: TeacherFiles
    name: str
    out: Path
    config: Path | None = None
    limit: int | None = None


def run_export(options: ExportOptions) -> None:
    """Write the averaged weights as a model folder, calibrated on held-out crops."""
    cv2.setNumThreads(1)
    config, out = read_config(DistillConfig, options.config), options.out
    net = config.network
    network = InceptionResnetV1(net.dimension, net.width)
    state, steps = read_average(options.run / "checkpoint.pt")
    network.load_state_dict(state)
    content = export_onnx(network.eval(), net.size, out)
    crops = read_crops(options.data, options.limit)
    title = f"Inception-ResNet v1, width {net.width}, {net.size} pixels, {net.dimension}-d"
    training = _training(options.teachers, crops, steps * config.batch)
    template = options.teachers.template()
    manifest = manifest_for(out, options.name, title, net, template, training)
    write_manifest(out, manifest)
    unseen = held_out(crops)
    embedder = load_embedder(out, choose_providers("cpu"))
    shown = [crop_for(embedder, crops, row) for row in np.flatnonzero(unseen)[:32]]
    print(f"parity with torch: {parity(network, content, shown, net):.1e}")
    calibrate_into(out, manifest, crops)


def _training(teachers: TeacherFiles, crops: CropSet, samples: int) -> Training:
    names = " and ".join(f"{one.name} ({one.licence})" for one in teachers.manifests())
    sources = crops.source[~held_out(crops)]
    return Training(
        data=_DATA.format(crops=len(sources), sources=", ".join(np.unique(sources))),
        method=f"distilled from {names}; training/LOG.md",
        samples=samples,
    )


def calibrate_into(folder: Path, manifest: Manifest, crops: CropSet) -> None:
    """Measure a calibration table on held-out crops and write it into the manifest in `folder`.

    Prints a message instead if there are too few pairs.
    """
    try:
        calibration = measure_held_out(folder, crops)
    except ModelError as error:
        print(f"no calibration table, the model cannot be served: {error}")
    else:
        write_manifest(folder, manifest.model_copy(update={"calibration": calibration}))


def measure_held_out(model: Path, crops: CropSet) -> Calibration:
    """Measure the calibration table of a model on held-out crops; prints the error rates."""
    embedder = load_embedder(model, choose_providers("cpu"))
    unseen = held_out(crops)
    people = crops.take(unseen & (crops.identity != ""))
    embeddings = embed_crops(embedder, people)
    grouped = crops.take(unseen & adults(crops) & (crops.group != ""))
    if len(grouped):
        vectors = embed_crops(embedder, grouped)
        impostors = impostors_by_group(vectors, grouped.group, people_of(grouped))
        population = _BY_GROUP.format(groups=len(impostors))
    else:
        impostors = {"all": impostors_between(embeddings, people.identity)}
        population = _BY_PERSON
    calibration = calibrate(impostors, population)
    report_held_out(calibration, impostors, embeddings, people.identity)
    return calibration


def report_held_out(
    calibration: Calibration,
    impostors: dict[str, NDArray[np.float32]],
    embeddings: Matrix,
    identity: NDArray[np.str_],
) -> None:
    """Print rank-1 and FNMR on held-out people, and the FMR of each group, at two target FMRs."""
    genuine = genuine_similarities(embeddings, identity)
    thresholds = Thresholds(calibration)
    print(f"held-out one-shot rank-1: {one_shot_rank1(embeddings, identity)}")
    for target in (1e-2, 1e-3):
        at = thresholds.for_fmr(target)
        missed = float((genuine < at).mean())
        print(f"FMR {target:g}: threshold {at:.4f}, held-out FNMR {missed:.4f}")
        for rate in rates_at(impostors, at):
            print(f"  {rate.group:10} {rate.pairs:8} pairs  FMR {rate.fmr:.5f}")
