"""Prepares the start of the service: schema, index engine, default vocabulary."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.settings import Settings
from app.store.db.schema import upgrade
from app.wiring.index_engines import check_engine
from app.wiring.services import open_database
from app.words.packaged import import_default_vocabulary


def ensure_schema(settings: Settings) -> None:
    """Runs the pending database migrations."""
    database = open_database(settings)
    upgrade(database)
    database.close()


def check_index_engine(settings: Settings) -> None:
    """Raises InvalidSetting if the index engine cannot be opened; connects to nothing."""
    database = open_database(settings)
    check_engine(settings, database)
    database.close()


def ensure_vocabulary(settings: Settings) -> None:
    """Imports the default vocabulary with a progress bar unless it exists."""
    if not settings.default_vocabulary:
        return
    database = open_database(settings)
    columns = (
        TextColumn("importing {task.fields[name]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task("words", total=None, visible=False, name=settings.default_vocabulary)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        import_default_vocabulary(database, settings.default_vocabulary, show)
    database.close()
