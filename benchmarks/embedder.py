"""Compares the shipped embedder with facenet-pytorch's full network under torch, on the same cores.

python -m benchmarks.embedder [--models models/sima-face-15 models/sima-face-15-int8] [--threads 1]

Needs the extra `train` and facenet-pytorch (`make train-deps`). The compared network has random
weights: its speed does not depend on them. Every round times each network once, so that other load
affects all of them equally.
"""

import argparse
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from app.faces.pipeline.embed import load_embedder
from app.faces.pipeline.types import Image
from benchmarks.report import conditions, table
from training.networks.published import published_network

_CPU = ["CPUExecutionProvider"]
THEIRS = "facenet-pytorch, eager"


def theirs(threads: int) -> tuple[Callable[[list[Image]], object], int]:
    """Returns the published Inception-ResNet v1 (width 1, 160 pixels) and its weights in bytes."""
    torch.set_num_threads(threads)
    network = published_network()
    weights = io.BytesIO()
    torch.save(network.state_dict(), weights)

    def run(crops: list[Image]) -> object:
        batch = torch.from_numpy(np.stack(crops).transpose(0, 3, 1, 2)).float()
        with torch.inference_mode():
            return network((batch - 127.5) / 128.0)

    return run, weights.tell()


def compare(models: list[Path], threads: int, batch: int, rounds: int) -> None:
    """Print median times of one batch of aligned crops, from uint8 pixels to unit vectors."""
    rng = np.random.default_rng(0)
    contenders: dict[str, tuple[Callable[[], object], int]] = {}
    run, size = theirs(threads)
    large = list(rng.integers(0, 256, (batch, 160, 160, 3), dtype=np.uint8))
    contenders[THEIRS] = (partial(run, large), size)
    for folder in models:
        embedder = load_embedder(folder, _CPU, threads)
        side = embedder.manifest.input.size
        crops = list(rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8))
        contenders[embedder.manifest.name] = (
            partial(embedder.embed, crops),
            (folder / embedder.manifest.file).stat().st_size,
        )
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 3):
        for name, (work, _) in contenders.items():
            began = perf_counter()
            work()
            if turn >= 3:
                spent[name].append((perf_counter() - began) * 1000 / batch)
    medians = {name: float(np.median(times)) for name, times in spent.items()}
    conditions(f"batch {batch}, {threads} thread(s), median of {rounds} rounds, ms per photo")
    rows = [
        (name, ms, medians[THEIRS] / ms, contenders[name][1] / 1e6, size / contenders[name][1])
        for name, ms in medians.items()
    ]
    table(("", "ms per photo", "speedup", "MB", "size ratio"), rows)


def main() -> None:
    """Compare at batch sizes 1 and 16."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", nargs="+", type=Path, default=[Path("models/sima-face-15-int8")]
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    for batch in (1, 16):
        compare(arguments.models, arguments.threads, batch, arguments.rounds)


if __name__ == "__main__":
    main()
