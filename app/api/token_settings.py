"""Opens the verification of tokens according to the settings."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.errors import InvalidSetting
from app.settings import Settings

if TYPE_CHECKING:
    from app.api.tokens import TokenVerifier

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def open_tokens(settings: Settings) -> "TokenVerifier | None":
    """Returns None without an issuer; connects to nothing. Raises InvalidSetting."""
    if settings.oidc_issuer is None:
        return None
    if not (settings.oidc_audience and settings.oidc_jwks_url and settings.oidc_roles):
        raise InvalidSetting(
            "SIMA_OIDC_ISSUER: tokens also need SIMA_OIDC_AUDIENCE, SIMA_OIDC_JWKS_URL and "
            "SIMA_OIDC_ROLES; set all of them"
        )
    url = urlsplit(settings.oidc_jwks_url)
    if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
        raise InvalidSetting(
            "SIMA_OIDC_JWKS_URL: the keys of the identity provider must be fetched by https"
        )
    try:
        from app.api.tokens import TokenRules, TokenVerifier  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InvalidSetting(
            "SIMA_OIDC_ISSUER: PyJWT is not installed; run pip install 'sima[oidc]'"
        ) from error
    return TokenVerifier(
        TokenRules(
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            jwks_url=settings.oidc_jwks_url,
            role_claim=settings.oidc_role_claim,
            roles=settings.oidc_roles,
        )
    )
