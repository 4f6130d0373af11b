"""`sima keys`: create and rotate the keys that encrypt personal data."""

from dataclasses import asdict

import typer

from app.audit_events import AuditEvent
from app.commands.output import AsJson, exit_on_error, print_json, print_table, progress_bar
from app.crypto.keyring import new_key
from app.settings import Settings
from app.store.db.rotation import rotate
from app.wiring.services import open_database

keys = typer.Typer(no_args_is_help=True, help="Keys that encrypt personal data.")


@keys.command("new")
def new() -> None:
    """Print a new key for SIMA_ENCRYPTION_KEYS. Keep it secret: it decrypts all templates."""
    typer.echo(new_key())


@keys.command("rotate")
def rotate_keys(as_json: AsJson = False) -> None:
    """Encrypt all stored personal data with the first key; the service may be running.

    Then rewrites an SQLite file, since it keeps remains of replaced values; writes wait meanwhile.
    Before: put the new key in front of the old one and restart the service. After: delete the old
    key from the setting.
    """
    with exit_on_error():
        database = open_database(Settings())
        database.record(AuditEvent("keys.rotate", "changed"))
        with progress_bar("rows") as advance:
            done = rotate(database, advance)
        if not database.rewrite_file():
            typer.echo(
                "the database file still has unencrypted data, or data that the old keys decrypt, "
                "because a transaction is open or the disk is full; repeat the command",
                err=True,
            )
        database.close()
    rows = asdict(done)
    if as_json:
        print_json(rows)
    else:
        print_table(("re-encrypted", "rows"), list(rows.items()))
