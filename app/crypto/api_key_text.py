"""Text and digest of API keys: `sima_ID_SECRET`, with 256 random bits in the secret."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

_TEXT = re.compile(r"sima_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, repr=False)
class ApiKeyText:
    """An API key in its two parts. `repr` does not show the secret."""

    key_id: str
    secret: str

    @classmethod
    def new(cls) -> "ApiKeyText":
        """Generates a key."""
        return cls(secrets.token_hex(6), secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> "ApiKeyText | None":
        """Returns the parts of a key, or None if the text has another form."""
        found = _TEXT.fullmatch(text)
        return cls(found[1], found[2]) if found else None

    @property
    def text(self) -> str:
        """The key as clients send it."""
        return f"sima_{self.key_id}_{self.secret}"

    @property
    def digest(self) -> str:
        """SHA-256 of the secret, salted with the id, in hexadecimal.

        A slow hash would add nothing: nobody can try out 256 random bits.
        """
        return hashlib.sha256(self.text.encode()).hexdigest()

    def matches(self, digest: str) -> bool:
        """Whether the digest belongs to this key, compared in constant time."""
        return hmac.compare_digest(self.digest, digest)
