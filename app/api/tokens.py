"""Verifies bearer tokens of an OpenID Connect provider: JWTs with an asymmetric signature.

Requires the extra `oidc`.
"""

import hashlib
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import jwt
from anyio import CapacityLimiter
from jwt import PyJWK, PyJWKClient
from jwt.exceptions import InvalidKeyError, PyJWTError

from app.api.callers import ANYBODY, Caller, highest_role
from app.errors import Forbidden, NotReady, Unauthorized
from app.logs import get_logger
from app.settings import Role

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Only asymmetric ones: with `none` or HMAC, whoever knows the public key could make a token."""

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_LONGEST = 16_000
_LEEWAY_SECONDS = 30
_KEYS_SECONDS, _REFRESH_SECONDS, _FETCH_SECONDS = 300, 10.0, 5.0
_THREADS = 4
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must state: issuer, audience, and in the claim `role_claim` a key of `roles`.

    `role_claim` may be a path such as `realm_access.roles`; its value is a string or a list.
    """

    issuer: str
    audience: str
    jwks_url: str
    role_claim: str
    roles: Mapping[str, Role]


class TokenVerifier:
    """Maps tokens to callers. The provider's keys are cached for five minutes.

    A token with an unknown key id makes it fetch them again, at most every ten seconds.
    """

    def __init__(self, rules: TokenRules) -> None:
        self._rules = rules
        self._client = PyJWKClient(
            rules.jwks_url, lifespan=_KEYS_SECONDS, timeout=_FETCH_SECONDS, cache_keys=False
        )
        self._lock = threading.Lock()
        self._refreshed = -_REFRESH_SECONDS
        self._threads = CapacityLimiter(_THREADS)

    async def identify(self, text: str) -> Caller | None:
        """The caller with this token, None if the text has another form than a token.

        Raises Unauthorized for an invalid token, Forbidden for one without a known role, NotReady
        if the provider's keys cannot be fetched.
        """
        if len(text) > _LONGEST or not _FORM.fullmatch(text):
            return None
        return await anyio.to_thread.run_sync(self._verify, text, limiter=self._threads)

    def _verify(self, token: str) -> Caller:
        try:
            claims = self._claims(token)
        except PyJWTError as error:
            raise Unauthorized(
                f"the token is invalid ({type(error).__name__}); send one of the identity provider "
                "that is valid for this service"
            ) from error
        role = highest_role(self._rules.roles.get(value) for value in self._values(claims))
        if role is None:
            raise Forbidden(
                f"the claim {self._rules.role_claim} of the token has no value that "
                "SIMA_OIDC_ROLES maps to a role"
            )
        subject = hashlib.sha256(str(claims["sub"]).encode()).hexdigest()
        permissions = ANYBODY.permissions if role == "admin" else frozenset()
        return Caller(f"oidc-{subject[:16]}", role, permissions)

    def _claims(self, token: str) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in _ALGORITHMS:
            raise jwt.InvalidAlgorithmError("the algorithm is not allowed")
        return jwt.decode(
            token,
            self._key(header.get("kid")),
            algorithms=list(_ALGORITHMS),
            audience=self._rules.audience,
            issuer=self._rules.issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )

    def _key(self, key_id: object) -> PyJWK:
        with self._lock:  # one thread fetches the keys
            found = _find(self._fetch(), key_id)
            if found is None and time.monotonic() - self._refreshed >= _REFRESH_SECONDS:
                self._refreshed = time.monotonic()
                found = _find(self._fetch(refresh=True), key_id)
        if found is None:
            raise InvalidKeyError("no key has this id")
        return found

    def _fetch(self, refresh: bool = False) -> list[PyJWK]:
        """The provider's keys, from the cache if they are new enough. Raises NotReady."""
        try:
            return self._client.get_signing_keys(refresh)
        except (PyJWTError, OSError, ValueError) as error:
            _log.error("token_keys_unavailable", reason=str(error))
            raise NotReady("the keys of the identity provider cannot be fetched") from error

    def _values(self, claims: Mapping[str, Any]) -> list[str]:
        name = self._rules.role_claim
        found: Any = claims.get(name)
        if found is None:
            found = claims
            for part in name.split("."):
                found = found.get(part) if isinstance(found, Mapping) else None
        values = [found] if isinstance(found, str) else found
        return [one for one in values if isinstance(one, str)] if isinstance(values, list) else []


def _find(keys: list[PyJWK], key_id: object) -> PyJWK | None:
    return next((key for key in keys if key.key_id == key_id and key_id is not None), None)
