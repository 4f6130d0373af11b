"""Looks up the API keys of the store."""

import time

import anyio.to_thread
from anyio import CapacityLimiter

from app.api.callers import ANYBODY, Caller
from app.crypto.api_key_text import ApiKeyText
from app.errors import Unauthorized
from app.store.api_keys import ApiKey, find_key, has_keys
from app.store.db.database import Database

_THREADS = 4
_OPEN_SECONDS = 0.5


class StoredKeys:
    """The API keys in the database.

    Every request reads its key anew, so that a revocation applies at once in every process. The
    lookups have threads of their own: requests that wait for the CPU do not delay a refusal.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads = CapacityLimiter(_THREADS)
        self._exist = False
        self._open_until = 0.0

    async def identify(self, text: ApiKeyText) -> Caller | None:
        """The caller with this key, None if it is unknown.

        Raises Unauthorized for an expired or revoked key, NotReady.
        """
        key = await anyio.to_thread.run_sync(self._find, text, limiter=self._threads)
        if key is None:
            return None
        self._exist = True
        if key.state != "active":
            raise Unauthorized(
                f"the API key is {key.state}; ask the operator for another one, made by "
                "`sima api-keys create`"
            )
        return _caller(key)

    async def exist(self) -> bool:
        """Whether a key was ever created; by other processes as of at most half a second ago.

        Raises NotReady. Without keys every request asks this, and a query takes a tenth of a short
        request.
        """
        if not self._exist and time.monotonic() >= self._open_until:  # keys are never deleted
            self._exist = await anyio.to_thread.run_sync(self._any, limiter=self._threads)
            self._open_until = time.monotonic() + _OPEN_SECONDS
        return self._exist

    def created(self) -> None:
        """Makes `exist` true at once, after this process has created a key."""
        self._exist = True

    def _find(self, text: ApiKeyText) -> ApiKey | None:
        with self._database.read() as session:
            return find_key(session, text)

    def _any(self) -> bool:
        with self._database.read() as session:
            return has_keys(session)


def _caller(key: ApiKey) -> Caller:
    rights = key.rights
    permitted = rights.embeddings or rights.role == "admin"
    return Caller(
        key.key_id,
        rights.role,
        ANYBODY.permissions if permitted else frozenset(),
        None if rights.collections is None else frozenset(rights.collections),
        None if rights.vocabularies is None else frozenset(rights.vocabularies),
    )
