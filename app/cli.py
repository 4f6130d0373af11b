"""`sima`: run the service, or do on the command line what it does over HTTP.

Settings come from the environment (SIMA_DATA_DIR, SIMA_FACE_MODEL, …) or a .env file; the command
line and a running service may work on one data folder at the same time.
"""

from typing import Annotated

import typer

from app.commands import collections, models, people, store, transfer, words, zero_shot
from app.commands import keyring as keys
from app.inference.manifest import read_manifest
from app.logs import configure_logs
from app.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help=__doc__,
    pretty_exceptions_show_locals=False,
)
app.add_typer(people.persons, name="persons")
app.add_typer(words.words, name="words")
app.add_typer(zero_shot.zero_shot, name="zero-shot")
app.add_typer(store.index, name="index")
app.add_typer(store.db, name="db")
app.add_typer(keys.keys, name="keys")
app.add_typer(collections.collections, name="collections")
app.add_typer(models.models, name="models")
app.command()(people.enroll)
app.command()(people.identify)
app.command()(people.verify)
app.command("import")(transfer.bulk_import)
app.command()(transfer.export)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="SIMA_HOST; loopback by default.")] = None,
    port: Annotated[int | None, typer.Option(help="SIMA_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(help="SIMA_WORKERS: processes.")] = None,
) -> None:
    """Run the service: migrate, import the default vocabulary once, listen."""
    import uvicorn

    from app.commands.output import refusals
    from app.commands.setup import ensure_schema, ensure_vocabulary

    settings = Settings()
    configure_logs(settings.log_level)
    with refusals():
        read_manifest(settings.face_model_dir)  # a wrong name is said before anything is made
        ensure_schema(settings)
        ensure_vocabulary(settings)
    uvicorn.run(
        "app.main:serve_app",
        factory=True,
        host=host or settings.host,
        port=settings.port if port is None else port,
        workers=workers or settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    app()
