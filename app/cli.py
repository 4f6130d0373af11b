"""Run the Sima service, or use its functions from the command line.

Settings are read from the environment (SIMA_DATA_DIR, SIMA_FACE_MODEL, …) or a .env file. The
command line and a running service can use one data folder at the same time.
"""

import os
from typing import Annotated

import typer

from app import __version__
from app.commands import (
    api_keys,
    audit,
    backup,
    collections,
    decisions,
    duplicates,
    images,
    models,
    people,
    persons,
    reassignment,
    rejections,
    store,
    transfer,
    visitors,
    words,
    zero_shot,
)
from app.commands import keyring as keys
from app.commands.doctor import doctor
from app.inference.manifest import read_manifest
from app.logs import configure_logs, get_logger
from app.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help=__doc__,
    pretty_exceptions_show_locals=False,
)
app.add_typer(persons.persons, name="persons")
persons.persons.command("move-photo")(reassignment.move_photo)
persons.persons.command("merge")(reassignment.merge)
persons.persons.command("not-this")(rejections.not_this)
persons.persons.command("rejections")(rejections.list_rejections)
persons.persons.command("delete-rejection")(rejections.delete_rejection)
persons.persons.command("duplicates")(duplicates.list_duplicates)
app.add_typer(visitors.visitors, name="visitors")
app.add_typer(words.words, name="words")
app.add_typer(zero_shot.zero_shot, name="zero-shot")
app.add_typer(store.index, name="index")
app.add_typer(store.db, name="db")
app.add_typer(backup.backup, name="backup")
app.add_typer(audit.audit, name="audit")
app.add_typer(keys.keys, name="keys")
app.add_typer(api_keys.api_keys, name="api-keys")
app.add_typer(collections.collections, name="collections")
app.add_typer(models.models, name="models")
collections.collections.command("create")(decisions.create)
collections.collections.command("set")(decisions.set_options)
collections.collections.command("show")(decisions.show)
collections.collections.command("calibrate")(decisions.calibrate)
collections.collections.command("delete")(decisions.delete)
app.command()(images.detect)
app.command()(images.embed)
app.command()(people.enroll)
app.command()(people.identify)
app.command()(people.verify)
app.command("import")(transfer.bulk_import)
app.command()(transfer.export)
app.command()(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sima {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Options of the command itself."""


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (default: SIMA_HOST).")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port to listen on (default: SIMA_PORT)."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Number of worker processes (default: SIMA_WORKERS)."),
    ] = None,
) -> None:
    """Run the service, after database migrations and the import of the default vocabulary."""
    from functools import partial

    import uvicorn

    from app.api.connections import HttpConnection
    from app.api.token_settings import open_tokens
    from app.api.worker_metrics import shared_metrics
    from app.commands.output import exit_on_error
    from app.commands.setup import (
        check_index_engine,
        ensure_vocabulary,
        prepare_data,
        require_keys,
        requires_keys,
    )

    with exit_on_error():
        settings = Settings()
        configure_logs(settings.log_level)
        host = host or settings.host
        open_tokens(settings)  # fails before the database is created
        require_keys(settings, host)
        read_manifest(settings.face_model_dir)  # fails before the database is created
        prepare_data(settings)
        check_index_engine(settings)  # in a worker, the error would be a traceback in the log
        ensure_vocabulary(settings)
        access = "API keys" if requires_keys(settings) else "everybody"
    get_logger("sima").info("service_starting", host=host, access=access)
    workers = workers or settings.workers
    os.environ["SIMA_WORKERS"] = str(workers)  # the workers divide the cores
    with shared_metrics(workers):
        uvicorn.run(
            "app.main:serve_app",
            factory=True,
            http=partial(HttpConnection, client_seconds=settings.client_seconds),  # type: ignore[arg-type]  # uvicorn calls it like the class
            host=host,
            port=settings.port if port is None else port,
            workers=workers,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            timeout_graceful_shutdown=20,
            timeout_worker_healthcheck=60,  # a worker that starts on a busy machine needs longer
        )


if __name__ == "__main__":
    app()
