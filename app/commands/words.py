"""`sima words`: query, import, export and evaluate vocabularies."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.commands.output import AsJson, exit_on_error, print_json, print_table
from app.commands.setup import ensure_schema
from app.errors import InvalidRequest
from app.settings import Settings
from app.wiring.services import open_store
from app.words.analogies import Term
from app.words.editing import VocabularyEditor
from app.words.evaluation import Vectors, evaluate_analogies, evaluate_similarity
from app.words.neighbors import Filters
from app.words.policies import Normalisation, Unknown, WordPolicy
from app.words.vocabularies import VocabularyService
from app.words.writers import WRITERS

words = typer.Typer(no_args_is_help=True, help="Query, import, export and evaluate vocabularies.")

_COLUMNS = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())

Vocabulary = Annotated[str | None, typer.Option(help="Default: the default vocabulary.")]


@words.command("nearest")
def nearest_words(
    word: str,
    k: Annotated[int, typer.Option(min=1, max=1000, help="Number of words to return.")] = 10,
    vocabulary: Vocabulary = None,
    as_json: AsJson = False,
) -> None:
    """Print the words nearest to WORD."""
    with exit_on_error():
        settings = Settings()
        database, index_sync = open_store(settings)
        name = vocabulary or settings.default_vocabulary
        service = VocabularyService(database, index_sync)
        found = service.nearest([Term(word)], [], "3cosadd", Filters(k), name)
        database.close()
    rows = [(n.word, n.similarity, n.rank) for n in found.neighbors]
    if as_json:
        keys = ("word", "similarity", "rank")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
    else:
        print_table(("word", "similarity", "rank"), rows)


@words.command("import")
def import_vocabulary(
    file: Annotated[
        Path, typer.Argument(help="word2vec text or binary, GloVe text or .npy; gzip is accepted.")
    ],
    name: Annotated[str, typer.Option(help="Name of the new vocabulary.")],
    word_list: Annotated[
        Path | None, typer.Option("--words", help="Word list of an .npy file, one word per line.")
    ] = None,
    unknown: Annotated[
        Unknown, typer.Option(help="Treatment of unknown words in queries.")
    ] = "error",
    normalisation: Annotated[
        Normalisation, typer.Option(help="Spelling normalisation of words and queries.")
    ] = "none",
) -> None:
    """Create a vocabulary from a vector file; nothing is stored if a line is invalid."""
    with exit_on_error():
        settings = Settings()
        ensure_schema(settings)
        with file.open("rb") as stream:
            policy = WordPolicy(unknown, normalisation)
            word_stream = word_list.open("rb") if word_list is not None else None
            with Progress(*_COLUMNS, console=Console(stderr=True)) as bar:
                task = bar.add_task(f"importing {name}", total=None)
                created = _editor(settings).create(
                    name, stream, word_stream, policy, lambda words: bar.advance(task, words)
                )
    typer.echo(f"{created.name}: {created.size:,} words, {created.space.dimension} dimensions")


@words.command("export")
def export_vocabulary(
    name: str,
    file: Path,
    format_: Annotated[
        str, typer.Option("--format", help=f"One of {', '.join(WRITERS)}.")
    ] = "word2vec-text",
) -> None:
    """Write all words with their unit vectors to FILE, most frequent first."""
    with exit_on_error():
        if format_ not in WRITERS:
            raise InvalidRequest(
                "format", f"format is {format_!r}; one of {', '.join(WRITERS)} is required"
            )
        pieces = _editor(Settings()).export(name, format_)
        with file.open("wb") as stream:
            stream.writelines(pieces)
    typer.echo(f"{file}: {file.stat().st_size:,} bytes")


@words.command("evaluate")
def evaluate_vocabulary(
    vocabulary: Annotated[
        str | None, typer.Argument(help="Default: the default vocabulary.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with the test files.")] = None,
    most_words: Annotated[
        int, typer.Option(min=1, help="Number of most frequent words that may answer an analogy.")
    ] = 30_000,
    as_json: AsJson = False,
) -> None:
    """Evaluate on Google analogies (3CosAdd, 3CosMul), WordSim-353 and SimLex-999.

    Without --data, the test files of the installed package gensim are used.
    """
    with exit_on_error():
        settings = Settings()
        folder = data or _gensim_test_data()
        database, index_sync = open_store(settings)
        service = VocabularyService(database, index_sync)
        table = service.all_words(vocabulary or settings.default_vocabulary)
        database.close()
    vectors = Vectors(table.texts, table.vectors)
    analogies = evaluate_analogies(vectors, folder / "questions-words.txt", most_words)
    wordsim = evaluate_similarity(vectors, folder / "wordsim353.tsv")
    simlex = evaluate_similarity(vectors, folder / "simlex999.txt")
    known = "{0.known} of {0.total}"
    rows = [
        ("WordSim-353, Spearman", wordsim.spearman, known.format(wordsim)),
        ("SimLex-999, Spearman", simlex.spearman, known.format(simlex)),
        ("analogies, 3CosAdd", analogies.cos_add, known.format(analogies)),
        ("analogies, 3CosMul", analogies.cos_mul, known.format(analogies)),
    ]
    if as_json:
        print_json([{"test": test, "score": score, "known": n} for test, score, n in rows])
    else:
        print_table(("test", "score", "known"), rows)


def _editor(settings: Settings) -> VocabularyEditor:
    database, index_sync = open_store(settings)
    return VocabularyEditor(database, index_sync, settings.max_vocabulary_bytes)


def _gensim_test_data() -> Path:
    package = importlib.util.find_spec("gensim")
    if package is None or package.origin is None:
        raise InvalidRequest(
            "data", "no folder with test files; pass one with --data, or install gensim"
        )
    return Path(package.origin).parent / "test" / "test_data"
