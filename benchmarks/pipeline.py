"""Compares the face pipeline with facenet-pytorch's, from the bytes of a photo to its embeddings.

    python -m benchmarks.pipeline [--crops ../shared/data/train-faces] [--photos 64] [--rounds 3]

Needs the extra `train` and facenet-pytorch (`make train-deps`), and face crops for the photos (see
`benchmarks/photos.py`). Every photo is analyzed by each contender in turn, in one process with one
thread, so that other load affects all of them equally. Of each photo and contender the least time
of the rounds counts; the table has medians over the photos, and the median of the ratios.

Contenders: Sima (smallest face: 40 pixels of the preview, whose longer side has 1,024); facenet-
pytorch with a smallest face of 40 pixels and of 20, its default, in the whole photo; and with 40 in
a photo that was reduced to 1,024 pixels first, which detects the same sizes of faces as Sima.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from app.faces.pipeline.embed import load_embedder
from app.faces.pipeline.image_limits import ImageLimits
from app.faces.pipeline.mtcnn import Mtcnn
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.quality import QualityLimits
from app.faces.pipeline.quality_model import QualityModel
from app.settings import PROJECT
from app.timings import Timings
from benchmarks.facenet_pytorch import FacenetPytorch
from benchmarks.photos import everyday_photos
from benchmarks.report import conditions, table

_CPU = ["CPUExecutionProvider"]
_STAGES = ("decode", "detect", "align", "embed")

Analyze = Callable[[bytes, "CpuTimings"], int]
Rows = list[list[float]]
"""Elapsed and CPU milliseconds, CPU milliseconds of each stage, and the number of faces."""


class CpuTimings(Timings):
    """Milliseconds of CPU time of the process per stage, instead of elapsed time."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the CPU time of the block to the stage."""
        began = time.process_time()
        yield
        spent = 1000.0 * (time.process_time() - began)
        self.milliseconds[name] = self.milliseconds.get(name, 0.0) + spent


def sima(model: Path) -> Analyze:
    """Returns a function that detects and embeds all faces of an image file."""
    pipeline = FacePipeline(
        Mtcnn(_CPU), load_embedder(model, _CPU), ImageLimits(), QualityLimits(), QualityModel(_CPU)
    )

    def analyze(data: bytes, timings: CpuTimings) -> int:
        faces = pipeline.analyze(data, timings).faces
        pipeline.embed(faces, timings)
        return len(faces)

    return analyze


def facenet_pytorch(min_face: int, longest_side: int | None = None) -> Analyze:
    """Returns the same function of facenet-pytorch."""
    peer = FacenetPytorch(min_face, longest_side)
    return lambda data, timings: peer.analyze(data, timings.stage)


def measure(contenders: dict[str, Analyze], photos: list[bytes], rounds: int) -> dict[str, Rows]:
    """Analyzes each photo with every contender in turn; one round more, not counted, warms up."""
    best: dict[str, Rows] = defaultdict(list)
    for photo in photos:
        times: dict[str, Rows] = defaultdict(list)
        for turn in range(rounds + 1):
            for name, analyze in contenders.items():
                timings, began, cpu = CpuTimings(), time.perf_counter(), time.process_time()
                faces = analyze(photo, timings)
                total = [time.perf_counter() - began, time.process_time() - cpu]
                if turn:
                    stages = [timings.milliseconds.get(stage, 0.0) for stage in _STAGES]
                    times[name].append([*(1000.0 * spent for spent in total), *stages, faces])
        for name, rows in times.items():
            best[name].append(np.min(rows, axis=0).tolist())
    return best


def main() -> None:
    """Make the photos, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=Path, default=PROJECT / "../shared/data/train-faces")
    parser.add_argument("--model", type=Path, default=PROJECT / "models/sima-face-15-int8")
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    contenders = {
        "Sima": sima(options.model),
        "facenet-pytorch, 40": facenet_pytorch(40),
        "facenet-pytorch, 20": facenet_pytorch(20),
        "facenet-pytorch, 40, reduced": facenet_pytorch(40, ImageLimits().preview_side),
    }
    photos = everyday_photos(options.crops, options.photos)
    times = {
        name: np.array(rows) for name, rows in measure(contenders, photos, options.rounds).items()
    }
    conditions(f"{len(photos)} photos of 0.2 to 4 megapixels, one thread, ms per photo (CPU time)")
    rows = []
    for name, found in times.items():
        ratio = float(np.median(found[:, 1] / times["Sima"][:, 1]))
        rows.append((name, *np.median(found[:, :6], axis=0), ratio, int(found[:, 6].sum())))
    columns = ("", "elapsed", "CPU", *_STAGES, "CPU, times Sima's", "faces")
    table(columns, rows)


if __name__ == "__main__":
    main()
