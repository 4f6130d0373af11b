"""Verifies AWS Signature Version 4 of requests.

Source: AWS General Reference, "Create a signed AWS API request". Only the Authorization header is
supported: presigned URLs and session tokens are not.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.compat.rekognition.failures import RekognitionError

SERVICE = "rekognition"
CLOCK_SKEW = timedelta(minutes=5)
"""The largest difference between the time of a signature and the service's clock."""

_ALGORITHM = "AWS4-HMAC-SHA256"
_TERMINATOR = "aws4_request"
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_REQUIRED_HEADERS = frozenset({"host", "x-amz-date", "x-amz-target"})
_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_LONGEST_HEADER = 4_000
_AUTHORIZATION = re.compile(
    _ALGORITHM + r"[ ]+Credential=([^/, ]+)/([0-9]{8})/([^/, ]+)/([^/, ]+)/([^/, ]+)[ ]*,"
    r"[ ]*SignedHeaders=([a-z0-9;_.-]+)[ ]*,[ ]*Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a signature covers. `headers` have names in lower case, values as they were sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Signature:
    """The parsed Authorization header, and the time of the signature."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str
    time: str

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> "Signature":
        """Reads the headers of a request; does not verify the signature.

        Raises RekognitionError if one is missing or malformed.
        """
        sent = headers.get("authorization")
        if sent is None:
            raise RekognitionError(
                "MissingAuthenticationTokenException",
                "the request is not signed; configure the client with an access key of "
                "SIMA_REKOGNITION_KEYS",
            )
        found = _AUTHORIZATION.fullmatch(sent) if len(sent) <= _LONGEST_HEADER else None
        time = headers.get("x-amz-date", "")
        if found is None or found[5] != _TERMINATOR or not _TIME.fullmatch(time):
            raise RekognitionError(
                "IncompleteSignatureException",
                "the headers Authorization and X-Amz-Date are not those of AWS Signature Version 4",
            )
        key, date, region, service, _, signed, value = found.groups()
        return cls(key, date, region, service, tuple(signed.split(";")), value, time)

    def check(self, headers: Mapping[str, str], now: datetime) -> None:
        """Checks everything but the value, before the body of the request is read.

        The region is the client's choice: the service has none. Raises RekognitionError.
        """
        if self.service != SERVICE:
            raise _refused(f"the signature is for another service than {SERVICE}")
        if not self.time.startswith(self.date):
            raise _refused("the date of the credential scope is not that of X-Amz-Date")
        if abs(now - _parse_time(self.time)) > CLOCK_SKEW:
            raise _refused(
                "the time of the signature differs by more than five minutes from the clock of the "
                "service; set the clock of the client"
            )
        missing = _REQUIRED_HEADERS - set(self.signed_headers)
        if missing or not set(self.signed_headers) <= set(headers):
            raise _refused("the signature must cover the headers host, x-amz-date and x-amz-target")

    def verify(self, request: SignedRequest, body: bytes, secret: str) -> None:
        """Compares the value with that of the secret, in constant time. Raises RekognitionError."""
        expected = _sign(self, request, body, secret)
        if not hmac.compare_digest(expected.encode(), self.value.encode()):
            raise _refused(
                "the signature does not match; check the secret access key, and that no proxy "
                "changes the Host header or the path"
            )


def _sign(signature: Signature, request: SignedRequest, body: bytes, secret: str) -> str:
    scope = f"{signature.date}/{signature.region}/{signature.service}/{_TERMINATOR}"
    canonical = _canonical(request, signature.signed_headers, body)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((_ALGORITHM, signature.time, scope, digest))
    key = f"AWS4{secret}".encode()
    for part in (signature.date, signature.region, signature.service, _TERMINATOR, text):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()


def _canonical(request: SignedRequest, signed_headers: Iterable[str], body: bytes) -> str:
    names = sorted(signed_headers)
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
    query = "&".join(sorted(request.query.split("&")))
    digest = hashlib.sha256(body).hexdigest()
    return "\n".join((request.method, request.path, query, headers, ";".join(names), digest))


def _parse_time(text: str) -> datetime:
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise _refused("the time of X-Amz-Date is invalid") from None


def _refused(message: str) -> RekognitionError:
    return RekognitionError("InvalidSignatureException", message)
