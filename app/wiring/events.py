"""Opens the outbox and the sender of events according to the settings."""

import base64
import binascii
from urllib.parse import urlsplit

from app.errors import InvalidSetting
from app.events.receiver import Receiver
from app.events.sender import EventSender
from app.settings import Settings
from app.store.db.database import Database
from app.store.db.outbox import Outbox

_LEAST_BYTES = 24


def open_outbox(settings: Settings) -> Outbox | None:
    """The outbox, or None without a receiver. Raises InvalidSetting."""
    if settings.events_url is None:
        return None
    _receiver(settings)
    return Outbox(
        frozenset(settings.events_types),
        frozenset(settings.events_collections),
        settings.events_waiting,
    )


def open_sender(settings: Settings, database: Database) -> EventSender | None:
    """The sender, not started; None without a receiver. Raises InvalidSetting."""
    if settings.events_url is None or database.outbox is None:
        return None
    return EventSender(database, _receiver(settings), database.outbox.counts)


def _receiver(settings: Settings) -> Receiver:
    url = settings.events_url or ""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or "@" in parts.netloc:
        raise InvalidSetting(
            "SIMA_EVENTS_URL: the URL is invalid; use https://HOST/PATH, without credentials"
        )
    secret = settings.events_secret.get_secret_value() if settings.events_secret else ""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _LEAST_BYTES:
        raise InvalidSetting(
            "SIMA_EVENTS_SECRET: the key of the signatures is missing or too short; use what "
            "`openssl rand -base64 32` prints"
        )
    return Receiver(url, key, settings.events_seconds)
