"""Authenticates API keys."""

import hmac
from collections.abc import Sequence

from pydantic import SecretStr

from app.api.callers import ANYBODY, Caller
from app.api.stored_keys import StoredKeys
from app.crypto.api_key_text import ApiKeyText
from app.errors import Unauthorized
from app.settings import KeyRole


class ApiKeyAuthenticator:
    """Maps API keys of the settings and of the store to callers.

    Without any key, every caller is ANYBODY.
    """

    def __init__(self, keys: Sequence[tuple[SecretStr, KeyRole]], stored: StoredKeys) -> None:
        self._keys = [
            (key, _caller_of_setting(number, role)) for number, (key, role) in enumerate(keys, 1)
        ]
        self._stored = stored

    async def requires_keys(self) -> bool:
        """Whether callers need a key. Raises NotReady."""
        return bool(self._keys) or await self._stored.exist()

    async def identify(self, key: str | None) -> Caller:
        """Raises Unauthorized for a missing, unknown, expired or revoked key; NotReady."""
        caller = self._find_configured(key or "")
        text = ApiKeyText.parse(key or "")
        if caller is None and text is not None:
            caller = await self._stored.identify(text)
        if caller is not None:
            return caller
        if await self.requires_keys():
            raise Unauthorized("the API key is missing or unknown; send it in the X-API-Key header")
        return ANYBODY

    def _find_configured(self, key: str) -> Caller | None:
        sent = key.encode()
        found: Caller | None = None
        for known, caller in self._keys:  # no early exit: the duration must not depend on the key
            if hmac.compare_digest(known.get_secret_value().encode(), sent):
                found = caller
        return found


def _caller_of_setting(number: int, role: KeyRole) -> Caller:
    """The caller with the key number `number` of the setting; `read` may receive embeddings."""
    if role == "write":
        return Caller(f"setting-{number}", "admin", ANYBODY.permissions)
    return Caller(f"setting-{number}", "read", frozenset({"embeddings"}))
