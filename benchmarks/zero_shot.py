"""Measures zero-shot scoring by number of labels, for the first and for later requests.

    python -m benchmarks.zero_shot [--labels 100 250 500 1000 2000] [--picture FILE.png]

Calls the service without HTTP, with one text of nineteen words and frequent words as labels. With
`--picture` it also plots labels and texts of the project's small evaluation set in two dimensions
(needs matplotlib from the extra `train`).
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np

from app.commands.setup import ensure_schema, ensure_vocabulary
from app.settings import PROJECT, Settings
from app.store.collections import get_collection
from app.store.words import frequent_texts
from app.texts.space import Label, TextSpace
from app.texts.spaces import TextSpaceRegistry
from app.wiring.services import open_store
from app.zero_shot.classifier import Classifier, ScoringTask
from app.zero_shot.evidence import TextEvidence
from app.zero_shot.labels import LabelEmbedder
from benchmarks.report import conditions, median_ms, table

TEXT = (
    "they bought a small cottage with a large garden near the river "
    "in the south of France last summer"
)
OWN = PROJECT / "tests" / "data" / "zero-shot" / "topics.tsv"


def times(spaces: TextSpaceRegistry, vocabulary: str, names: list[str], counts: list[int]) -> None:
    """Measure with a new classifier per number of labels, so that the first request embeds all."""
    rows = []
    for count in counts:
        classifier = Classifier(LabelEmbedder())
        task = ScoringTask(tuple(Label(name) for name in names[:count]))

        def classify(classifier: Classifier = classifier, task: ScoringTask = task) -> None:
            space = spaces.open(vocabulary)
            [text] = space.texts([TEXT])
            classifier.classify(space, TextEvidence(text), task)

        began = perf_counter()
        classify()
        first = (perf_counter() - began) * 1000
        later = median_ms(partial(classify), times=30)
        rows.append((count, first, later, later / count * 1000))
    conditions("one text against labels of one word, 400,000 words x 50, one thread")
    table(("labels", "first ms", "later ms", "microseconds a label"), rows)


def draw(space: TextSpace, file: Path) -> None:
    """Plot labels and texts in the two principal directions of the labels."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - an extra

    rows = [line.split("\t") for line in OWN.read_text(encoding="utf-8").splitlines()]
    names = sorted({name for name, _ in rows})
    labels = np.stack([tokens.mean() for tokens in space.labels([Label(name) for name in names])])
    texts = np.stack([tokens.mean() for tokens in space.texts([text for _, text in rows])])
    centre = labels.mean(axis=0)
    _, _, directions = np.linalg.svd(labels - centre)
    at_labels, at_texts = ((points - centre) @ directions[:2].T for points in (labels, texts))
    figure, axes = plt.subplots(figsize=(8, 6))
    colours = plt.get_cmap("tab10")
    for number, name in enumerate(names):
        own = [row for row, (label, _) in enumerate(rows) if label == name]
        axes.scatter(*at_texts[own].T, color=colours(number), s=22, alpha=0.7)
        axes.scatter(*at_labels[number], color=colours(number), marker="*", s=260, edgecolor="k")
        axes.annotate(name, at_labels[number], xytext=(8, 6), textcoords="offset points")
    axes.set_title("Stars: labels by name only. Dots: texts of each topic, without training")
    axes.set_xticks([])
    axes.set_yticks([])
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    print(file)


def main() -> None:
    """Import the default vocabulary, measure, and plot if requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 250, 500, 1000, 2000])
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder))
        ensure_schema(settings)
        ensure_vocabulary(settings)
        database, _ = open_store(settings)
        spaces, vocabulary = TextSpaceRegistry(database), settings.default_vocabulary
        with database.read() as session:
            texts = frequent_texts(session, get_collection(session, vocabulary), 10_000)
        names = [text for text in texts if text.isalpha()]
        times(spaces, vocabulary, names, options.labels)
        if options.picture is not None:
            draw(spaces.open(vocabulary), options.picture)
        database.close()


if __name__ == "__main__":
    main()
