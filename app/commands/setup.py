"""What must be there before the first request: schema and default vocabulary."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.settings import Settings
from app.store.db.schema import upgrade
from app.wiring.services import open_database
from app.words.packaged import import_default_vocabulary


def ensure_schema(settings: Settings) -> None:
    """Run the migrations that are missing."""
    database = open_database(settings)
    upgrade(database)
    database.close()


def ensure_vocabulary(settings: Settings) -> None:
    """Import the default vocabulary once, with a progress bar."""
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
