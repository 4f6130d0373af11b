"""From a run's checkpoint to a model folder: ONNX file, manifest, calibration table."""

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

_DATA = "{crops:,} aligned face crops ({sources}) less a held-out eighth"
_BY_GROUP = (
    "adults of the held-out eighth, pairs of two people within each of {groups} groups; every "
    "knot is the threshold of the group that needs the highest"
)
_BY_PERSON = "the held-out eighth, pairs of two different people; no groups are known"


def run_export(
    data: Path,
    run: Path,
    teachers: TeacherFiles,
    config_file: Path | None,
    limit: int | None,
    name: str,
    out: Path,
) -> None:
    """Averaged weights -> ONNX + manifest with a calibration table from the held-out eighth."""
    cv2.setNumThreads(1)
    net = read_config(DistillConfig, config_file).network
    template = teachers.template()
    names = " and ".join(f"{one.name} ({one.licence})" for one in teachers.manifests())
    network = InceptionResnetV1(net.dimension, net.width)
    state, steps = read_average(run / "checkpoint.pt")
    network.load_state_dict(state)
    content = export_onnx(network.eval(), net.size, out)
    crops = read_crops(data, limit)
    about = Training(
        data=_DATA.format(crops=len(crops), sources=", ".join(np.unique(crops.source))),
        method=f"distilled from {names}; training/LOG.md",
        samples=steps * read_config(DistillConfig, config_file).batch,
    )
    title = f"Inception-ResNet v1, width {net.width}, {net.size} pixels, {net.dimension}-d"

    manifest = manifest_for(out, name, title, net, template, about)
    write_manifest(out, manifest)
    unseen = held_out(crops)
    embedder = load_embedder(out, choose_providers("cpu"))
    shown = [crop_for(embedder, crops, row) for row in np.flatnonzero(unseen)[:32]]
    print(f"parity with torch: {parity(network, content, shown, net):.1e}")
    calibrate_into(out, manifest, crops)


def calibrate_into(folder: Path, manifest: Manifest, crops: CropSet) -> None:
    """Measure the model in `folder` on the held-out eighth; the table becomes part of it."""
    try:
        calibration = measure_held_out(folder, crops)
    except ModelError as error:
        print(f"not calibrated, so it cannot be served: {error}")
    else:
        write_manifest(folder, manifest.model_copy(update={"calibration": calibration}))


def measure_held_out(model: Path, crops: CropSet) -> Calibration:
    """The calibration table of a model, and aloud what it does for people no training saw."""
    embedder = load_embedder(model, choose_providers("cpu"))
    unseen = held_out(crops)
    people = crops.take(unseen & (crops.identity != ""))
    embeddings = embed_crops(embedder, people)
    grown = crops.take(unseen & adults(crops) & (crops.group != ""))
    if len(grown):
        impostors = impostors_by_group(embed_crops(embedder, grown), grown.group, people_of(grown))
        population = _BY_GROUP.format(groups=len(impostors))
    else:
        impostors = {"everybody": impostors_between(embeddings, people.identity)}
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
    """Print what the model does for people that no training saw."""
    genuine = genuine_similarities(embeddings, identity)
    thresholds = Thresholds(calibration)
    print(f"held-out one-shot rank-1: {one_shot_rank1(embeddings, identity)}")
    for target in (1e-2, 1e-3):
        at = thresholds.for_fmr(target)
        missed = float((genuine < at).mean())
        print(f"FMR {target:g}: threshold {at:.4f}, held-out FNMR {missed:.4f}")
        for rate in rates_at(impostors, at):
            print(f"  {rate.group:10} {rate.pairs:8} pairs  FMR {rate.fmr:.5f}")
