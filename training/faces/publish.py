"""Makes a model folder from a run's checkpoint: ONNX file, manifest, calibration table."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from app.errors import ModelError
from app.faces.decisions.calibration import FEWEST_PAIRS, rates_at, tail_scores
from app.faces.decisions.measurement import Measurement, Population, measure, write_measurement
from app.faces.decisions.normalisation import load_normaliser
from app.faces.decisions.tail import prior_of
from app.faces.decisions.tail_check import TailCheck, check_small_group, check_tail
from app.faces.decisions.thresholds import Thresholds
from app.faces.pipeline.embed import load_embedder
from app.inference.manifest import Training, write_manifest
from app.inference.session import choose_providers
from training.faces.augment import CropSpec
from training.faces.checkpoint import read_average
from training.faces.config import DistillConfig, NetworkConfig, read_config
from training.faces.crops import ADULT, CropSet, held_out
from training.faces.export import export_onnx, manifest_for, parity
from training.faces.group_axes import group_axes, remove_axes
from training.faces.measure import embed_with
from training.faces.plots import plot_decisions
from training.faces.population import measured_population
from training.faces.sources import read_crops
from training.faces.targets import crop_for
from training.faces.teacher import TeacherFiles
from training.networks.inception_resnet_v1 import InceptionResnetV1

_DATA = "{crops:,} aligned face crops ({sources}); held-out crops are excluded"
_COHORT = "held-out adults of every group and source, at most 500 people each"
_REPORTED = (1e-2, 1e-3, 1e-4, 1e-5)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Inputs of an export, as the command line passes them.

    `data` is read by `read_crops`, with `limit`; `run` is the run's folder; `name` and `out` are
    the model's name and folder; `config` is the configuration of the distillation; `plot` is the
    file for the error rates before and after normalisation, if any.
    """

    data: Path
    run: Path
    teachers: TeacherFiles
    name: str
    out: Path
    config: Path | None = None
    limit: int | None = None
    plot: Path | None = None


def run_export(options: ExportOptions) -> None:
    """Write the averaged weights as a model folder, calibrated on held-out crops."""
    cv2.setNumThreads(1)
    config, out = read_config(DistillConfig, options.config), options.out
    net = config.network
    network = net.build()
    state, steps = read_average(options.run / "checkpoint.pt")
    network.load_state_dict(state)
    crops = read_crops(options.data, options.limit)
    if net.equalize:
        _equalize(network, net, CropSpec(net.size, options.teachers.template()), crops)
    content = export_onnx(network.eval(), net.size, out)
    title = f"Inception-ResNet v1, width {net.width}, {net.size} pixels, {net.dimension}-d"
    training = _training(options.teachers, crops, steps * config.batch)
    template = options.teachers.template()
    manifest = manifest_for(out, options.name, title, net, template, training)
    write_manifest(out, manifest)
    unseen = held_out(crops)
    embedder = load_embedder(out, choose_providers("cpu"))
    shown = [crop_for(embedder, crops, row) for row in np.flatnonzero(unseen)[:32]]
    print(f"parity with torch: {parity(network, content, shown, net):.1e}")
    calibrate_into(out, crops, options.plot)


def _equalize(
    network: InceptionResnetV1, net: NetworkConfig, spec: CropSpec, crops: CropSet
) -> None:
    """Remove the axes between group means of adults that were trained on, if there are groups."""
    named = crops.take(~held_out(crops) & (crops.group != "") & (crops.age >= ADULT))
    if not len(named):
        return
    embeddings = embed_with(network.eval(), net, spec, torch.device("cpu"), named)
    try:
        axes = group_axes(embeddings, named.group)
    except ValueError as error:
        print(f"groups are not equalized: {error}")
        return
    remove_axes(network, axes)
    print(f"removed {len(axes)} axes between the means of {len(named):,} faces of named groups")


def _training(teachers: TeacherFiles, crops: CropSet, samples: int) -> Training:
    names = " and ".join(f"{one.name} ({one.licence})" for one in teachers.manifests())
    sources = crops.source[~held_out(crops)]
    return Training(
        data=_DATA.format(crops=len(sources), sources=", ".join(np.unique(sources))),
        method=f"distilled from {names}; training/LOG.md",
        samples=samples,
    )


def calibrate_into(folder: Path, crops: CropSet, plot: Path | None = None) -> None:
    """Fit score normalisation and a calibration table and write them into the model in `folder`.

    Prints the error rates, or a message if there are too few pairs; `plot` draws them.
    """
    embedder = load_embedder(folder, choose_providers("cpu"))
    try:
        population = measured_population(embedder, crops)
        measurement = measure(population, load_normaliser(folder, embedder.manifest))
    except (ModelError, ValueError) as error:
        print(f"no calibration table, the model cannot be served: {error}")
        return
    write_measurement(folder, measurement, _COHORT)
    print(summary(measurement))
    print(check_small_groups(population, measurement))
    if plot is not None:
        plot_decisions(measurement, plot)


def summary(measurement: Measurement) -> str:
    """Rates of each group at the thresholds of four target rates, as a Markdown table."""
    groups = list(measurement.normalised.impostors)
    header = ["target FMR", "threshold", "refused genuine pairs", *groups]
    lines = [" | ".join(header), " | ".join(["---"] * len(header))]
    thresholds = Thresholds(measurement.calibration)
    for target in _REPORTED:
        at = thresholds.for_fmr(target)
        refused = 1.0 - measurement.normalised.genuine.share_at(at)
        rates = rates_at(measurement.normalised.impostors, at)
        cells = [f"{target:g}", f"{at:.4f}", f"{refused:.4f}", *(f"{r.fmr:.2e}" for r in rates)]
        lines.append(" | ".join(cells))
    pairs = ", ".join(f"{r.group} {r.pairs:,}" for r in rates)
    trials = [
        f"weight {t.weight}: threshold {t.threshold:.4f}, accepted {t.accepted:.4f}"
        for t in measurement.trials
    ]
    if measurement.fitted is not None:
        trials.append(f"correlation of the regressor: {measurement.fitted.correlation:.4f}")
    tails = [
        f"tail of {group}: FMR {check.rate:.1e} measured at {check.measured:.4f}, extrapolated "
        f"from a tenth of the pairs {check.mean:.4f} ({check.lowest:.4f} to {check.highest:.4f})"
        for group, check in _checked_tails(measurement)
    ]
    return "\n".join([*(f"| {line} |" for line in lines), f"pairs: {pairs}", *trials, *tails])


def check_small_groups(population: Population, measurement: Measurement) -> str:
    """The error of tails that are fitted to few people, for each group that is large enough.

    The prior is that of the other groups.
    """
    faces = population.faces
    if measurement.fitted is not None:
        faces = faces.corrected_by(measurement.fitted.corrections(measurement.weight))
    largest = {
        group: tail_scores(scores)
        for group, scores in measurement.normalised.impostors.items()
        if scores.pairs >= FEWEST_PAIRS
    }
    lines = []
    for group in largest if len(largest) > 1 else ():
        prior = prior_of([scores for name, scores in largest.items() if name != group])
        check = check_small_group(faces.take(population.groups[group]), prior)
        if check is not None:
            lines.append(
                f"tail of 220 people of {group}: FMR {check.rate:.1e} measured at "
                f"{check.measured:.4f}, extrapolated with an error of {check.alone:.4f}, "
                f"with the other groups' tails of {check.shared:.4f} (r.m.s.)"
            )
    return "\n".join(lines)


def _checked_tails(measurement: Measurement) -> list[tuple[str, TailCheck]]:
    found = ((group, check_tail(one)) for group, one in measurement.normalised.impostors.items())
    return [(group, check) for group, check in found if check is not None]
