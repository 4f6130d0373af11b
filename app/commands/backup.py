"""The `sima backup` commands."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.audit_events import AuditEvent
from app.commands.output import AsJson, exit_on_error, print_json, print_table
from app.crypto.signing import Signer
from app.errors import InvalidRequest
from app.settings import Settings
from app.store.backup import create_backup, restore_backup, verify_backup
from app.store.backup_file import SUFFIX, BackupManifest
from app.store.db.database import Database
from app.store.db.schema import current_revision, newest_revision
from app.wiring.services import open_database

backup = typer.Typer(no_args_is_help=True, help="Back up the database; check and restore backups.")

File = Annotated[Path, typer.Argument(help=f"The backup; its name ends with {SUFFIX}.")]
SignerOption = Annotated[
    str | None,
    typer.Option(help="Public key of the installation that made the backup, if it is another one."),
]


@backup.command("create")
def create(file: File, as_json: AsJson = False) -> None:
    """Write people, templates, images and words to one signed file; the service may be running.

    The file is encrypted if there are encryption keys. The keys are not in it: keep them elsewhere.
    """
    with exit_on_error():
        settings = Settings()
        source = _sqlite_file(settings)
        database = open_database(settings)
        if source.exists():
            _record(database)
        database.close()
        manifest = create_backup(source, file, _signer(settings), database.keyring)
    _print(manifest, {"file": str(file)}, as_json)


@backup.command("verify")
def verify(file: File, signer: SignerOption = None, as_json: AsJson = False) -> None:
    """Check a backup: signature, digest, decryption, and the database in it."""
    with exit_on_error():
        settings = Settings()
        database = open_database(settings)
        database.close()
        manifest = verify_backup(file, (_signer(settings).public, signer), database.keyring)
    _print(manifest, {"intact": True}, as_json)


@backup.command("restore")
def restore(
    file: File,
    signer: SignerOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Keep an existing database under another name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put the database of a backup into the data folder. Stop the service before.

    API keys that the replaced database has as revoked are revoked in the restored one. The index
    is built from the database at the next start.
    """
    with exit_on_error():
        settings = Settings()
        target = _sqlite_file(settings)
        trusted = (_signer(settings).public, signer)
        keyring = open_database(settings).keyring
        restored = restore_backup(file, target, trusted, keyring, replace)
        if settings.index_url.startswith(("faiss:", "exact:")):
            shutil.rmtree(settings.data_dir / "index", ignore_errors=True)
    result: dict[str, object] = {
        "restored": str(target),
        "previous": str(restored.kept) if restored.kept else None,
        "revoked_again": list(restored.revocations.carried),
    }
    _print(restored.manifest, result, as_json)
    if restored.revocations.valid and not restored.revocations.known:
        keys = ", ".join(restored.revocations.valid)
        typer.echo(
            "API keys that were revoked after the backup are valid again, if they are among these: "
            f"{keys}; check them with `sima api-keys list`, and revoke those again",
            err=True,
        )


def _record(database: Database) -> None:
    """Records the backup, unless a service of another version is running on the database."""
    with database.read() as session:
        current = current_revision(session) == newest_revision()
    if current:
        database.record(AuditEvent("backup.create", "exported"))


def _sqlite_file(settings: Settings) -> Path:
    """The SQLite file of the settings. Raises InvalidRequest for another database."""
    url = settings.effective_database_url
    if not url.startswith("sqlite:///"):
        raise InvalidRequest(
            "SIMA_DATABASE_URL",
            "`sima backup` copies SQLite databases; back up PostgreSQL with pg_dump, as described "
            "in docs/operations.md",
        )
    return Path(url.removeprefix("sqlite:///"))


def _signer(settings: Settings) -> Signer:
    return Signer.load_or_create(settings.data_dir / "signing.key")


def _print(manifest: BackupManifest, result: dict[str, object], as_json: bool) -> None:
    rows = {**result, **asdict(manifest)}
    if as_json:
        print_json(rows)
    else:
        print_table(("", "backup"), [row for row in rows.items() if row[1] is not None])
