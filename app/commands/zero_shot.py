"""`sima zero-shot`: score labels, and evaluate zero-shot accuracy."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.commands.output import AsJson, exit_on_error, print_json, print_table
from app.errors import InvalidRequest
from app.settings import Settings
from app.texts.encoder import ENCODER
from app.texts.space import Label, TextSpace
from app.texts.spaces import TextSpaceRegistry
from app.wiring.services import open_database
from app.zero_shot.classifier import Classifier, ScoringTask
from app.zero_shot.evaluation import (
    LabelledBy,
    accuracy,
    name_animals,
    read_animals,
    read_dataset,
)
from app.zero_shot.labels import LabelEmbedder

zero_shot = typer.Typer(
    no_args_is_help=True, help="Score labels without training; evaluate the accuracy."
)

Vocabulary = Annotated[
    str | None, typer.Option(help=f"A vocabulary or {ENCODER}. Default: the default vocabulary.")
]
_COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
)


@zero_shot.command("score")
def score_labels(
    text: str,
    labels: Annotated[str, typer.Option(help="Label names, separated by commas.")],
    vocabulary: Vocabulary = None,
    multi_label: Annotated[
        bool, typer.Option(help="Score each label independently, 0 to 1.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score labels for TEXT."""
    with exit_on_error():
        settings = Settings()
        names = tuple(name.strip() for name in labels.split(",") if name.strip())
        if not names:
            raise InvalidRequest(
                "labels", "labels has no name; one or more are required, separated by commas"
            )
        database = open_database(settings)
        space = TextSpaceRegistry(database).open(vocabulary or settings.default_vocabulary)
        task = ScoringTask(tuple(Label(name) for name in names), multi_label=multi_label)
        found = Classifier(LabelEmbedder()).classify_text(space, text, task)
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
    dataset: Annotated[
        str, typer.Argument(help="agnews, snips, awa2, or a file with one label TAB text per line.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the files of agnews, snips or awa2. Default: zero-shot in the data "
            "folder."
        ),
    ] = None,
    vocabulary: Vocabulary = None,
    as_json: AsJson = False,
) -> None:
    """Print the zero-shot accuracy on a data set."""
    with exit_on_error():
        settings = Settings()
        folder = data or settings.data_dir / "zero-shot"
        animals = read_animals(folder / "awa2") if dataset == "awa2" else None
        labelled = read_dataset(dataset, folder) if animals is None else []
        database = open_database(settings)
        name = vocabulary or settings.default_vocabulary
        space = TextSpaceRegistry(database).open(name)
        rows = [(name, one.content, _accuracy(space, one)) for one in labelled]
        if animals is not None:
            named = name_animals(space, animals)
            rows.append((name, "attribute words alone", named.words_alone))
            rows.append((name, "ESZSL from the seen classes", named.learned))
        database.close()
    if as_json:
        keys = ("vocabulary", "labels", "accuracy")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        print_table(("vocabulary", "labels by", "accuracy"), rows)


def _accuracy(space: TextSpace, labelled: LabelledBy) -> float:
    with Progress(*_COLUMNS, console=Console(stderr=True)) as bar:
        total = len(labelled.dataset.texts)
        task = bar.add_task(f"labels by {labelled.content}", total=total)
        return accuracy(space, labelled.dataset, lambda texts: bar.advance(task, texts))
