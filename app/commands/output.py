"""Output of the commands (tables or JSON), progress bars, exit on errors."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import orjson
import typer
from pydantic import BaseModel
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from app.commands.setup import prepare_data
from app.errors import InvalidRequest, SimaError
from app.settings import Settings
from app.wiring.services import Services, build_services

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def print_json(value: object) -> None:
    """Prints one JSON document to standard output."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def print_model(model: BaseModel) -> None:
    """Prints a response model as the JSON that the service would answer."""
    print_json(model.model_dump(mode="json"))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table to standard output, wrapped to the width of the terminal."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*(f"{c:.4f}" if isinstance(c, float) else str(c) for c in row))
    Console().print(table)


@contextmanager
def progress_bar(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Shows a progress bar on standard error; yields a function that advances it by a number."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)

        def advance(done: int) -> None:
            bar.advance(task, done)

        yield advance


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turns an InvalidRequest about the value of an option into a usage error: exit status 2."""
    try:
        yield
    except InvalidRequest as error:
        raise typer.BadParameter(str(error)) from error


@contextmanager
def exit_on_error(status: int = 1) -> Iterator[None]:
    """Prints a SimaError or OSError as one line to standard error and exits with `status`."""
    try:
        yield
    except SimaError as error:
        typer.echo(f"{error.code}: {error}", err=True)
        raise typer.Exit(status) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"{where}{error.strerror or error}", err=True)
        raise typer.Exit(status) from error


@contextmanager
def open_services(error_status: int = 1) -> Iterator[Services]:
    """Opens the services according to the environment and closes them after the block.

    Errors exit with `error_status`, see `exit_on_error`.
    """
    with exit_on_error(error_status):
        settings = Settings()
        prepare_data(settings)
        services = build_services(settings)
        try:
            services.readiness.prepare()
            yield services
        finally:
            services.close()
