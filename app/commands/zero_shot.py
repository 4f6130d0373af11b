"""`sima zero-shot`: score labels, and measure how often that is right."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.commands.output import AsJson, exit_on_error, print_json, print_table
from app.errors import InvalidRequest
from app.settings import PROJECT, Settings
from app.texts.encoder import ENCODER
from app.texts.space import Label, TextSpace
from app.texts.spaces import TextSpaceRegistry
from app.wiring.services import open_database
from app.zero_shot.classifier import Classifier, Order
from app.zero_shot.evaluation import (
    Dataset,
    accuracy,
    name_animals,
    read_animals,
    read_dataset,
)

zero_shot = typer.Typer(no_args_is_help=True, help="Labels that nobody trained: score, measure.")

Vocabulary = Annotated[
    str | None, typer.Option(help=f"A vocabulary, or {ENCODER}; the default one when absent.")
]
_DATA = PROJECT.parent / "shared" / "data" / "zero-shot"
_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
)


@zero_shot.command("score")
def score_labels(
    text: str,
    labels: Annotated[str, typer.Option(help="Names, separated by commas.")],
    vocabulary: Vocabulary = None,
    multi_label: Annotated[bool, typer.Option(help="Each label on its own, 0 to 1.")] = False,
    as_json: AsJson = False,
) -> None:
    """How well each label fits TEXT."""
    with exit_on_error():
        settings = Settings()
        names = tuple(name.strip() for name in labels.split(",") if name.strip())
        if not names:
            raise InvalidRequest("labels", "name one label or more, separated by commas")
        database = open_database(settings)
        space = TextSpaceRegistry(database).open(vocabulary or settings.default_vocabulary)
        order = Order(tuple(Label(name) for name in names), multi_label=multi_label)
        found = Classifier().score_text(space, text, order)
        database.close()
    rows = list(zip(found.labels, found.scores, strict=True))
    if as_json:
        print_json(
            {
                "labels": [{"label": label, "score": score} for label, score in rows],
                "out_of_vocabulary": found.out_of_vocabulary,
            }
        )
    else:
        print_table(("label", "score"), rows)
        if found.out_of_vocabulary:
            typer.echo(f"not in the vocabulary: {', '.join(found.out_of_vocabulary)}")


@zero_shot.command("evaluate")
def evaluate_labels(
    dataset: Annotated[str, typer.Argument(help="agnews, snips, awa2, or a TSV: label, text.")],
    data: Annotated[Path, typer.Option(help="Folder with the three named ones.")] = _DATA,
    vocabulary: Vocabulary = None,
    as_json: AsJson = False,
) -> None:
    """Accuracy without a single training example."""
    with exit_on_error():
        settings = Settings()
        database = open_database(settings)
        name = vocabulary or settings.default_vocabulary
        space = TextSpaceRegistry(database).open(name)
        rows: list[tuple[str, str, float]] = []
        if dataset == "awa2":
            animals = name_animals(space, read_animals(data / "awa2"))
            rows.append((name, "attribute words alone", animals.words_alone))
            rows.append((name, "ESZSL from the seen classes", animals.learned))
        else:
            found = read_dataset(dataset, data)
            rows += [(name, told, _measured(space, told, texts)) for told, texts in found]
        database.close()
    if as_json:
        keys = ("vocabulary", "labels", "accuracy")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        print_table(("vocabulary", "labels by", "accuracy"), rows)


def _measured(space: TextSpace, told: str, data: Dataset) -> float:
    with Progress(*_COLUMNS, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"labels by {told}", total=len(data.texts))
        return accuracy(space, data, lambda texts: bar.advance(task, texts))
