"""The benchmarks of `make bench` and `make bench-full`, and the packages that they compare with."""

from collections.abc import Sequence
from dataclasses import dataclass

DETECTOR_AND_NETWORK = ("facenet_pytorch", "torch")
CROPS = "../shared/data/train-faces"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A module of `benchmarks` with its arguments.

    `peers` are the packages that it compares with. `data` is a file or folder that it needs, as a
    path from the project; None if it needs none.
    """

    module: str
    arguments: Sequence[str] = ()
    peers: Sequence[str] = ()
    data: str | None = None

    @property
    def command(self) -> str:
        """The command line after `python -m`."""
        return " ".join((f"benchmarks.{self.module}", *self.arguments))


QUICK: Sequence[Benchmark] = (
    Benchmark(
        "pipeline", ("--photos", "24", "--rounds", "1"), peers=DETECTOR_AND_NETWORK, data=CROPS
    ),
    Benchmark("embedder", peers=DETECTOR_AND_NETWORK),
    Benchmark("limits"),
    Benchmark("load", ("--seconds", "4", "--clients", "1", "8")),
    Benchmark("search", peers=("faiss",)),
    Benchmark("nearest_words", ("--sizes", "400000x50"), peers=("gensim",)),
    Benchmark("zero_shot"),
)
"""Less than five minutes on two cores."""

FULL: Sequence[Benchmark] = (
    Benchmark("pipeline", peers=DETECTOR_AND_NETWORK, data=CROPS),
    Benchmark("embedder", peers=DETECTOR_AND_NETWORK),
    Benchmark("limits"),
    Benchmark("load", ("--clients", "1", "4", "8")),
    Benchmark("load", ("--clients", "1", "4", "8", "--workers", "2")),
    Benchmark("overload"),
    Benchmark("compat_cost"),
    Benchmark("search", peers=("faiss",)),
    Benchmark("large_gallery", ("--engines", "faiss", "faiss:mapped"), peers=("faiss",)),
    Benchmark("ten_million"),
    Benchmark("enroll_throughput"),
    Benchmark("person_search"),
    Benchmark("audit_cost"),
    Benchmark("erasure_cost"),
    Benchmark("nearest_words", peers=("gensim",)),
    Benchmark("zero_shot"),
    Benchmark("softmax_cost", peers=("torch",)),
)
"""Everything that needs neither another service nor a corpus."""

SUITES = {"quick": QUICK, "full": FULL}
