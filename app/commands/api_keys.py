"""The `sima api-keys` commands: create, list, rotate and revoke the keys of callers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from app.commands.output import AsJson, exit_on_error, print_json, print_table
from app.commands.setup import prepare_data
from app.crypto.api_key_text import ApiKeyText
from app.settings import Role, Settings
from app.store.api_keys import ApiKey, KeyRights
from app.store.key_administration import KeyAdministrator
from app.wiring.services import open_database

api_keys = typer.Typer(
    no_args_is_help=True,
    help="Keys of the service's callers: create, list, rotate, revoke. Once there is one, the "
    "service requires keys.",
)

_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_LONGEST = timedelta(days=36_500)


def _duration(text: str) -> timedelta:
    """Parses `90d`, `24h` or `30m`. Raises typer.BadParameter."""
    found = re.fullmatch(r"([0-9]{1,9})([dhm])", text)
    duration = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else _LONGEST * 2
    if duration > _LONGEST:
        raise typer.BadParameter(f"use a form such as 90d, 24h or 30m, at most {_LONGEST.days}d")
    return duration


KeyId = Annotated[str, typer.Argument(help="The id of the key, from `sima api-keys list`.")]
Expires = Annotated[
    timedelta | None,
    typer.Option(parser=_duration, metavar="DURATION", help="Validity: 90d, 24h, 30m."),
]


@api_keys.command("create")
def create(
    name: Annotated[str, typer.Option(help="Who or what uses the key, such as door-3.")],
    role: Annotated[
        Role,
        typer.Option(
            help="read: identify, verify, look up; enroll: also enroll, change and delete people; "
            "admin: everything."
        ),
    ],
    collection: Annotated[
        list[str] | None,
        typer.Option(help="Restrict the key to this collection; may be repeated."),
    ] = None,
    vocabulary: Annotated[
        list[str] | None,
        typer.Option(help="Restrict the key to this vocabulary; may be repeated."),
    ] = None,
    expires: Expires = None,
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings",
            help="Permit to receive embeddings of faces, photos and crops; admin always may.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it. It cannot be shown again: only a digest is stored."""
    rights = KeyRights(role, _names(collection), _names(vocabulary), embeddings)
    with _keys() as keys:
        key, text = keys.create(name, rights, expires)
    _print_created(key, text, as_json)


@api_keys.command("list")
def show(as_json: AsJson = False) -> None:
    """List all keys with their rights; also revoked and expired ones."""
    with _keys() as keys:
        rows = [_row(key) for key in keys.list_all()]
    if as_json:
        print_json(rows)
    else:
        columns = ("id", "name", "role", "restricted to", "state", "expires")
        print_table(columns, [_cells(row) for row in rows])


@api_keys.command("rotate")
def rotate(
    key_id: KeyId,
    overlap: Annotated[
        timedelta,
        typer.Option(
            parser=_duration, metavar="DURATION", help="How long the former key remains valid."
        ),
    ] = "24h",  # type: ignore[assignment]  # typer parses defaults, too
    expires: Expires = None,
    as_json: AsJson = False,
) -> None:
    """Create a key with the same rights, and let the former one expire after the overlap.

    Without --expires, the new key is valid as long as the former one was made for.
    """
    with _keys() as keys:
        key, text = keys.rotate(key_id, overlap, expires)
    _print_created(key, text, as_json)


@api_keys.command("revoke")
def revoke(key_id: KeyId, as_json: AsJson = False) -> None:
    """Revoke a key. Every worker refuses it from its next request on."""
    with _keys() as keys:
        key = keys.revoke(key_id)
    if as_json:
        print_json(_row(key))
    else:
        typer.echo(f"the API key {key.key_id} ({key.name}) is revoked")


@contextmanager
def _keys() -> Iterator[KeyAdministrator]:
    with exit_on_error():
        settings = Settings()
        prepare_data(settings)
        database = open_database(settings)
        try:
            yield KeyAdministrator(database)
        finally:
            database.close()


def _names(values: list[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values else None


def _print_created(key: ApiKey, text: ApiKeyText, as_json: bool) -> None:
    if as_json:
        print_json({**_row(key), "key": text.text})
        return
    typer.echo(text.text)
    typer.echo(
        f"id {key.key_id}, role {key.rights.role}, expires: {_expiry(key.expires_at)}; the key "
        "cannot be shown again",
        err=True,
    )


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.key_id,
        "name": key.name,
        "role": key.rights.role,
        "collections": key.rights.collections,
        "vocabularies": key.rights.vocabularies,
        "embeddings": key.rights.embeddings or key.rights.role == "admin",
        "replaces": key.replaces,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "state": key.state,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    restricted = [*(row["collections"] or ()), *(row["vocabularies"] or ())]
    return (
        row["id"],
        row["name"],
        row["role"] + (" + embeddings" if row["embeddings"] and row["role"] != "admin" else ""),
        ", ".join(restricted) or "-",
        row["state"],
        _expiry(row["expires_at"]),
    )


def _expiry(expires_at: datetime | None) -> str:
    return f"{expires_at:%Y-%m-%d}" if expires_at else "never"
