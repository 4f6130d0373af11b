"""keys on the command line."""

import typer

from app.commands.output import AsJson, exit_on_error, print_json, print_table, progress_bar
from app.crypto.keyring import new_key
from app.settings import Settings
from app.store.db.rotation import rotate
from app.wiring.services import open_database

keys = typer.Typer(no_args_is_help=True, help="Keys that seal what is kept about people.")


@keys.command("new")
def new() -> None:
    """Print a fresh key for SIMA_ENCRYPTION_KEYS; whoever has it can read templates."""
    typer.echo(new_key())


@keys.command("rotate")
def rotate_keys(as_json: AsJson = False) -> None:
    """Seal everything with the first key, also what was never sealed; the service may run.

    Start the service with the new key in front of the old one before; take the old one out after.
    """
    with exit_on_error():
        database = open_database(Settings())
        with progress_bar("rows") as advance:
            done = rotate(database, advance)
        database.truncate_wal()
        database.close()
    rows = {"templates": done.templates, "people": done.people, "photos": done.photos}
    if as_json:
        print_json(rows)
    else:
        print_table(("sealed anew", "rows"), list(rows.items()))
