"""Fits and measures the face quality network.

    python -m training.faces.quality fit ../shared/data/train-faces --run RUN
    python -m training.faces.quality measure --run RUN

`fit` writes models/face-quality; `measure` prints the tables of docs/adr and draws
docs/img/quality.png from held-out people.
"""

import hashlib
from pathlib import Path
from typing import Annotated

import tomli_w
import torch
import typer

from app.faces.pipeline.embed import OnnxEmbedder
from app.faces.pipeline.quality_model import MANIFEST_NAME, SHIPPED, QualityManifest, QualityModel
from app.inference.manifest import read_manifest, read_verified
from app.resources import MODELS
from training.faces.quality_data import collect, load_data
from training.faces.quality_network import export, fit
from training.faces.quality_report import measure_quality
from training.faces.teacher import OpenVinoSession

PROJECT = Path(__file__).parents[2]
app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
Run = Annotated[Path, typer.Option(help="Folder of the embedded crops (about 1 GB).")]
Fmr = Annotated[float, typer.Option(help="False match rate of the threshold.")]


@app.command("fit")
def fit_network(
    data: Annotated[Path, typer.Argument(help="Folder with index.csv and crop shards.")],
    run: Run,
    model: Annotated[Path, typer.Option(help="Reference model.")] = MODELS / "sima-face-15",
    photos: Annotated[int, typer.Option(help="Photos of each person, at most.")] = 7,
    epochs: int = 8,
    fmr: Fmr = 0.001,
    threads: int = 1,
) -> None:
    """Embed crops unless the run has them, fit the network, write models/face-quality."""
    torch.set_num_threads(threads)
    run.mkdir(parents=True, exist_ok=True)
    stored = run / "crops.npz"
    if not stored.exists():
        collect(data, _embedder(model, threads), photos).save(stored)
    fitted = fit(load_data(stored), epochs, fmr)
    network = export(fitted.network)
    SHIPPED.mkdir(exist_ok=True)
    manifest = QualityManifest(
        file="model.onnx",
        sha256=hashlib.sha256(network).hexdigest(),
        licence="Apache-2.0",
        reference_model=read_manifest(model).name,
        reference_threshold=round(fitted.threshold, 4),
        target_fmr=fmr,
    )
    (SHIPPED / manifest.file).write_bytes(network)
    (SHIPPED / MANIFEST_NAME).write_text(tomli_w.dumps(manifest.model_dump()), encoding="utf-8")
    print(f"{len(network)} bytes, calibration {fitted.network.calibration.tolist()}")


@app.command()
def measure(run: Run, fmr: Fmr = 0.001) -> None:
    """Print errors versus discarded pairs of held-out people; draw docs/img/quality.png."""
    network = QualityModel(["CPUExecutionProvider"])

    measure_quality(load_data(run / "crops.npz"), network, fmr, PROJECT / "docs/img/quality.png")


def _embedder(model: Path, threads: int) -> OnnxEmbedder:
    """The model without the mean over the mirror image, in OpenVINO."""
    manifest = read_manifest(model)
    content = read_verified(model / manifest.file, manifest.sha256)
    spec = manifest.input.model_copy(update={"mirror": False})
    session = OpenVinoSession(content, threads)
    return OnnxEmbedder(manifest.model_copy(update={"input": spec}), session)


if __name__ == "__main__":
    app()
