"""Encodes the body of a request, correctly or with a defect."""

import base64
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

_BOUNDARY = b"----fuzz"
_WRONG_TYPES = (
    *("text/plain", "application/json", "multipart/form-data", "image/jpeg", "", "/", ";", "\xe9"),
    *("application/json; charset=utf-16", "multipart/form-data; boundary=", "a" * 5_000),
    *("multipart/form-data; boundary=----fuzz; boundary=x", "application/x-www-form-urlencoded"),
    *("multipart/form-data; boundary=" + "x" * 300, "IMAGE/JPEG", "image/svg+xml", "text/xml"),
)
_JSON_TEXTS = (
    *(
        b"",
        b"{",
        b"[",
        b"null",
        b"0",
        b'""',
        b"[]",
        b"{}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
    ),
    *(b"[" * 20_000, b'{"a":' * 20_000, b'{"a": 1e999}', b'{"a": NaN}', b"{'a': 1}", b'{"a": 1,}'),
    *(b'{"\\ud800": 1}', b'{"a": "\xff"}', b'{"a": 1} x', b"1" * 5_000, b"\0"),
)


@dataclass(frozen=True, slots=True)
class Body:
    """A body with its content type; None: no such header."""

    content: bytes
    content_type: str | None


def text_bytes(text: str) -> bytes:
    """The text in UTF-8, an unpaired surrogate as three bytes, which are not valid UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def url_text(value: object) -> str:
    """A value in a path or a query."""
    return quote(text_bytes(_field_text(value)), safe="")


class BodyEncoder:
    """Encodes fields in the formats that the service reads."""

    def __init__(self, rng: random.Random) -> None:
        self._random = rng

    def encode(self, media_type: str, value: object) -> Body:
        """The value as a body of this type; bytes within it are files."""
        if media_type == "multipart/form-data":
            fields = value if isinstance(value, Mapping) else {"": value}
            return self._multipart(list(fields.items()))
        if media_type == "application/x-www-form-urlencoded":
            fields = value if isinstance(value, Mapping) else {"": value}
            pairs = (f"{url_text(name)}={url_text(one)}" for name, one in fields.items())
            return Body("&".join(pairs).encode(), media_type)
        if isinstance(value, bytes):
            return Body(value, media_type)
        return Body(self._json(value), media_type)

    def with_defect(self, body: Body, value: object) -> Body:
        """The body with one defect of its format."""
        defects: tuple[Callable[[Body, object], Body], ...] = (
            self._wrong_type,
            self._cut,
            self._flipped,
            self._repeated_fields,
            self._strange_json,
            self._odd_multipart,
        )
        return self._random.choice(defects)(body, value)

    def _json(self, value: object) -> bytes:
        ascii_only = self._random.random() < 0.7
        return text_bytes(json.dumps(value, ensure_ascii=ascii_only, default=_base64_text))

    def _multipart(self, fields: list[tuple[str, object]]) -> Body:
        parts = b"".join(self._part(name, value) for name, value in fields)
        content_type = f"multipart/form-data; boundary={_BOUNDARY.decode()}"
        return Body(parts + b"--" + _BOUNDARY + b"--\r\n", content_type)

    def _part(self, name: str, value: object) -> bytes:
        head = b'--%s\r\nContent-Disposition: form-data; name="%s"' % (_BOUNDARY, text_bytes(name))
        if isinstance(value, bytes) and self._random.random() < 0.9:
            kind = self._random.choice((b"image/jpeg", b"application/octet-stream", b"text/html"))
            head += b'; filename="photo"\r\nContent-Type: ' + kind
            return head + b"\r\n\r\n" + value + b"\r\n"
        return head + b"\r\n\r\n" + text_bytes(_field_text(value)) + b"\r\n"

    def _wrong_type(self, body: Body, _value: object) -> Body:
        return Body(body.content, self._random.choice((*_WRONG_TYPES, None)))

    def _cut(self, body: Body, _value: object) -> Body:
        return Body(
            body.content[: self._random.randrange(len(body.content) + 1)], body.content_type
        )

    def _flipped(self, body: Body, _value: object) -> Body:
        changed = bytearray(body.content)
        for _ in range(self._random.choice((1, 5)) if changed else 0):
            changed[self._random.randrange(min(len(changed), 500))] = self._random.randrange(256)
        return Body(bytes(changed), body.content_type)

    def _repeated_fields(self, body: Body, value: object) -> Body:
        if not isinstance(value, Mapping) or not value:
            return Body(body.content * 2, body.content_type)
        fields = list(value.items())
        fields += self._random.choices(fields, k=self._random.choice((1, 2, 30)))
        if (body.content_type or "").startswith("multipart"):
            return self._multipart(fields)
        pairs = ", ".join(
            f"{json.dumps(name)}: {json.dumps(one, default=_base64_text)}" for name, one in fields
        )
        return Body(text_bytes("{" + pairs + "}"), "application/json")

    def _strange_json(self, _body: Body, _value: object) -> Body:
        return Body(self._random.choice(_JSON_TEXTS), "application/json")

    def _odd_multipart(self, body: Body, value: object) -> Body:
        """A multipart body with a part whose header is odd."""
        if not (body.content_type or "").startswith("multipart"):
            fields = list(value.items()) if isinstance(value, Mapping) else [("a", value)]
            body = self._multipart(fields)
        headers = (
            *(
                b"",
                b"Content-Disposition: form-data",
                b"Content-Disposition: form-data; name=image",
            ),
            *(b'Content-Disposition: form-data; name=""; filename=""', b"a: " + b"b" * 20_000),
            b"Content-Disposition: form-data; name=\"image\"; filename*=UTF-8''%ff%00",
            b'Content-Disposition: form-data; name="image"\r\nContent-Transfer-Encoding: base64',
            b'Content-Disposition: form-data; name="name"\r\nContent-Type: a; charset=utf-7',
            b'Content-Disposition: form-data; name="name"\r\nContent-Type: a; charset=no-such',
            b'Content-Disposition: form-data; name="\xff\xfe"',
            b":\r\n",
        )
        odd = self._random.choice(headers)
        part = b"--" + _BOUNDARY + b"\r\n" + odd + b"\r\n\r\nx\r\n"
        return Body(part * self._random.choice((1, 1, 50)) + body.content, body.content_type)


def _base64_text(value: object) -> str:
    """For `json.dumps`, which knows no bytes."""
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value)} has no JSON")
    return base64.b64encode(value).decode()


def _field_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _base64_text(value)
    return json.dumps(value, default=_base64_text)
