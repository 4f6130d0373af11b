"""Authenticates API keys."""

import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import SecretStr

from app.api.callers import ANYBODY, Caller
from app.api.stored_keys import StoredKeys
from app.crypto.api_key_text import ApiKeyText
from app.errors import Unauthorized
from app.settings import KeyRole

if TYPE_CHECKING:  # requires the extra oidc
    from app.api.tokens import TokenVerifier


class ApiKeyAuthenticator:
    """Maps API keys of the settings and of the store, and tokens, to callers.

    Without any key, and if tokens are not accepted, every caller is ANYBODY. With `other_keys`
    another interface has keys of its own, so that this one must not be open.
    """

    def __init__(
        self,
        keys: Sequence[tuple[SecretStr, KeyRole]],
        stored: StoredKeys,
        tokens: "TokenVerifier | None" = None,
        other_keys: bool = False,
    ) -> None:
        self._keys = [
            (key, _caller_of_setting(number, role)) for number, (key, role) in enumerate(keys, 1)
        ]
        self._stored, self._tokens, self._other_keys = stored, tokens, other_keys

    async def requires_keys(self) -> bool:
        """Whether callers need a key. Raises NotReady."""
        if self._keys or self._other_keys or self._tokens is not None:
            return True
        return await self._stored.exist()

    def key_created(self) -> None:
        """Requires keys from now on: this process has created one in the store."""
        self._stored.created()

    async def identify(self, key: str | None) -> Caller:
        """Raises Unauthorized for a missing, unknown, expired or revoked key and an invalid token;
        Forbidden for a token without a role; NotReady.
        """
        caller = self._find_configured(key or "")
        text = ApiKeyText.parse(key or "")
        if caller is None and text is not None:
            caller = await self._stored.identify(text)
        if caller is None and key and self._tokens is not None:
            caller = await self._tokens.identify(key)
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
