"""`sima words`: ask, import, export and measure vocabularies."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.commands.output import AsJson, print_json, print_table, refusals
from app.commands.setup import ensure_schema
from app.errors import InvalidRequest
from app.settings import Settings
from app.wiring.services import open_store
from app.words.editing import VocabularyEditor
from app.words.evaluation import Vectors, analogies, similarity
from app.words.formats import WRITERS
from app.words.neighbors import Filters, Item, Vocabularies
from app.words.policies import Normalisation, Unknown, WordPolicy

words = typer.Typer(no_args_is_help=True, help="Vocabularies: ask, import, export, measure.")

_COLUMNS = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())

Vocabulary = Annotated[str | None, typer.Option(help="The default one when absent.")]


@words.command("nearest")
def nearest_words(
    word: str,
    k: Annotated[int, typer.Option(help="How many.")] = 10,
    vocabulary: Vocabulary = None,
    as_json: AsJson = False,
) -> None:
    """The words nearest to WORD."""
    with refusals():
        settings = Settings()
        database, projection = open_store(settings)
        found = Vocabularies(database, projection).nearest(
            [Item(word, None)], [], "3cosadd", Filters(k), vocabulary or settings.default_vocabulary
        )
        database.close()
    rows = [(n.word, n.similarity, n.rank) for n in found.neighbors]
    if as_json:
        keys = ("word", "similarity", "rank")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        print_table(("word", "similarity", "rank"), rows)


@words.command("import")
def import_vocabulary(
    file: Annotated[Path, typer.Argument(help="word2vec text or binary, GloVe text, .npy; gzip.")],
    name: Annotated[str, typer.Option(help="The vocabulary's name.")],
    word_list: Annotated[Path | None, typer.Option("--words", help="Words of an .npy.")] = None,
    unknown: Annotated[Unknown, typer.Option(help="What becomes of an unknown word.")] = "error",
    normalisation: Annotated[Normalisation, typer.Option()] = "none",
) -> None:
    """A vocabulary from a vector file; a broken one is refused with its line."""
    with refusals():
        settings = Settings()
        ensure_schema(settings)
        with file.open("rb") as stream:
            policy = WordPolicy(unknown, normalisation)
            listed = word_list.open("rb") if word_list is not None else None
            with Progress(*_COLUMNS, console=Console(stderr=True)) as bar:
                task = bar.add_task(f"importing {name}", total=None)
                made = _editor(settings).create(
                    name, stream, listed, policy, lambda words: bar.advance(task, words)
                )
    typer.echo(f"{made.name}: {made.size:,} words, {made.space.dimension} dimensions")


@words.command("export")
def export_vocabulary(
    name: str,
    file: Path,
    kind: Annotated[str, typer.Option("--format", help=", ".join(WRITERS) + ".")] = "word2vec-text",
) -> None:
    """All words with their unit vectors, most frequent first."""
    with refusals():
        if kind not in WRITERS:
            raise InvalidRequest("format", f"the formats are {', '.join(WRITERS)}")
        pieces = _editor(Settings()).export(name, kind)
        with file.open("wb") as stream:
            stream.writelines(pieces)
    typer.echo(f"{file}: {file.stat().st_size:,} bytes")


@words.command("evaluate")
def evaluate_vocabulary(
    vocabulary: Annotated[str | None, typer.Argument(help="The default one when absent.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with the test files.")] = None,
    most_words: Annotated[int, typer.Option(help="Answers to analogies, by frequency.")] = 30_000,
    as_json: AsJson = False,
) -> None:
    """Google analogies (3CosAdd, 3CosMul), WordSim-353 and SimLex-999.

    The files are taken from the installed package gensim where no folder is named.
    """
    with refusals():
        settings = Settings()
        folder = data or _packaged_tests()
        database, projection = open_store(settings)
        service = Vocabularies(database, projection)
        texts, rows = service.everything(vocabulary or settings.default_vocabulary)
        database.close()
    vectors = Vectors(texts, rows)
    asked = analogies(vectors, folder / "questions-words.txt", most_words)
    wordsim = similarity(vectors, folder / "wordsim353.tsv")
    simlex = similarity(vectors, folder / "simlex999.txt")
    of_questions, known = f"{asked.asked} of {asked.of}", "{0.pairs} of {0.of}"
    found = [
        ("WordSim-353, Spearman", wordsim.spearman, known.format(wordsim)),
        ("SimLex-999, Spearman", simlex.spearman, known.format(simlex)),
        ("analogies, 3CosAdd", asked.cos_add, of_questions),
        ("analogies, 3CosMul", asked.cos_mul, of_questions),
    ]
    if as_json:
        print_json([{"test": test, "score": score, "known": n} for test, score, n in found])
    else:
        print_table(("test", "score", "known"), found)


def _editor(settings: Settings) -> VocabularyEditor:
    database, projection = open_store(settings)
    return VocabularyEditor(database, projection, settings.max_vocabulary_bytes)


def _packaged_tests() -> Path:
    package = importlib.util.find_spec("gensim")
    if package is None or package.origin is None:
        raise InvalidRequest("data", "name the folder with --data, or install gensim, which has it")
    return Path(package.origin).parent / "test" / "test_data"
