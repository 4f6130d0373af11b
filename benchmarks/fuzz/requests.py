"""Makes the requests, each from the seed and its number."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.fuzz.bodies import Body, BodyEncoder, url_text
from benchmarks.fuzz.operations import Operation, Parameter, name_kind
from benchmarks.fuzz.values import Known, Schema, Values

REQUEST_ID = "fuzz-{}"
_BROKEN_OFF = 0.02  # share of requests whose body is shorter than announced
_HEADERS: tuple[tuple[str, str], ...] = (
    ("X-Request-Timeout", "nan"),
    ("X-Request-Timeout", "1e400"),
    ("X-Request-Timeout", "0.001"),
    ("Authorization", "Bearer " + "a" * 3_000),
    ("Authorization", "Basic \xff\xfe"),
    ("Authorization", "Bearer"),
    ("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=;, Signature=0"),
    ("X-Amz-Date", "20261332T250000Z"),
    ("X-Amz-Date", "\xb2" * 16),
    ("X-API-Key", "sima_\xe9"),
    ("Idempotency-Key", "k"),
    ("Idempotency-Key", "\xff" * 150),
    ("Accept", "text/html"),
    ("Accept-Encoding", "gzip, br;q=0"),
    ("Content-Encoding", "gzip"),
    ("Origin", "http://localhost:1"),
    ("Origin", "http://[::1"),
    ("Host", "[::1"),
    ("Host", ""),
    ("Expect", "100-continue"),
    ("Cookie", "a=" + "b" * 4_000),
    ("X-Forwarded-For", "\xff, 1.2.3.4"),
    ("Range", "bytes=5-1"),
    ("If-Modified-Since", "yesterday"),
)
_BODIES = 4  # requests with a body to one without, for each operation
_ADMINISTRATORS = 10  # to one request of each other caller
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


@dataclass(frozen=True, slots=True)
class FuzzRequest:
    """A request as it is sent. `is_complete` is whether all of the announced body follows.

    `secret` is what the caller of a signed operation signs with; the signature is added when the
    request is sent, since it contains the time.
    """

    number: int
    operation: Operation
    caller: str
    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    is_complete: bool
    secret: str = ""

    def content(self) -> bytes:
        """The bytes to send."""
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


class RequestMaker:
    """Makes requests; the same seed and number give the same request, apart from known ids."""

    def __init__(
        self,
        seed: int,
        operations: Sequence[Operation],
        components: Schema,
        keys: Mapping[str, str],
        known: Known,
    ) -> None:
        """`keys` are the API keys by the name of the caller, an empty text for none."""
        self._seed, self._operations, self._components = seed, operations, components
        self._keys, self._known = keys, known
        self._weights = [_BODIES if one.bodies else 1 for one in operations]

    def make(self, number: int) -> FuzzRequest:
        """The request of this number."""
        rng = random.Random(f"{self._seed} {number}")  # noqa: S311 - no secret
        [operation] = rng.choices(self._operations, self._weights)
        return _Draft(rng, self._known, self._components).request(number, operation, self._keys)


class _Draft:
    """One request while it is made. Most have one defect, some have none or many."""

    def __init__(self, rng: random.Random, known: Known, components: Schema) -> None:
        self._random, self._values = rng, Values(rng, known, components)
        self._encoder = BodyEncoder(rng)
        kind = rng.random()
        self._hostility = 0.0 if kind < 0.35 else 0.25 if kind < 0.8 else 0.7
        self._has_wire_defect = kind > 0.9 or 0.3 < kind < 0.35

    def request(self, number: int, operation: Operation, keys: Mapping[str, str]) -> FuzzRequest:
        caller = self._random.choice([*("admin",) * _ADMINISTRATORS, *keys])
        headers = [("Host", "localhost"), ("X-Request-ID", REQUEST_ID.format(number))]
        if keys[caller] and not operation.is_signed:
            headers.append(("X-API-Key", keys[caller]))
        headers += self._header_parameters(operation)
        body = self._body(operation)
        if body is not None:
            if body.content_type is not None:
                headers.append(("Content-Type", body.content_type))
            headers.append(("Content-Length", str(len(body.content))))
        if self._has_wire_defect:
            headers = self._with_odd_header(headers)
        content = body.content if body else b""
        cut = len(content) > 1 and self._random.random() < _BROKEN_OFF
        if cut:
            content = content[: self._random.randrange(len(content))]
        return FuzzRequest(
            number=number,
            operation=operation,
            caller=caller,
            method=self._method(operation),
            target=self._target(operation),
            headers=headers,
            body=content,
            is_complete=not cut,
            secret=keys[caller] if operation.is_signed else "",
        )

    def _method(self, operation: Operation) -> str:
        if self._has_wire_defect and self._random.random() < 0.1:
            return self._random.choice(_METHODS)
        return operation.method

    def _target(self, operation: Operation) -> str:
        path = operation.path
        for one in operation.parameters:
            if one.place == "path":
                path = path.replace(f"{{{one.name}}}", url_text(self._value(one)) or "%20")
        query = [
            f"{url_text(one.name)}={url_text(self._value(one))}"
            for one in operation.parameters
            if one.place == "query" and self._is_sent(one, operation)
        ]
        if query and self._random.random() < self._hostility / 4:
            query += [query[0], f"{url_text(self._values.text())}=1", "%zz", "&&="]
        return f"{path}?{'&'.join(query)}" if query else path

    def _is_sent(self, parameter: Parameter, operation: Operation) -> bool:
        """Fields of an image request may be in the query, but seldom are in both places."""
        if parameter.required or parameter.name == "vocabulary":
            return True
        return self._random.random() < (0.1 if operation.bodies else 0.4)

    def _value(self, parameter: Parameter) -> object:
        if self._random.random() < self._hostility:
            return self._values.hostile(parameter.schema, parameter.kind)
        return self._values.valid(parameter.schema, parameter.kind)

    def _header_parameters(self, operation: Operation) -> list[tuple[str, str]]:
        return [
            (one.name, _header_text(self._value(one)))
            for one in operation.parameters
            if one.place == "header" and (one.required or self._random.random() < 0.3)
        ]

    def _body(self, operation: Operation) -> Body | None:
        if not operation.bodies:
            return None
        media_type = self._random.choice(sorted(operation.bodies))
        schema = self._values.resolve(operation.bodies[media_type])
        value: object
        if "properties" in schema:
            value = self._fields(operation, schema)
        elif self._random.random() < self._hostility:
            value = self._values.hostile(schema, "image")
        else:
            value = self._values.valid(schema, "image")
        body = self._encoder.encode(media_type, value)
        return self._encoder.with_defect(body, value) if self._has_wire_defect else body

    def _fields(self, operation: Operation, schema: Schema) -> dict[str, object]:
        fields: dict[str, object] = {}
        required = schema.get("required", ())
        for name, part in schema.get("properties", {}).items():
            kind = name_kind(operation.path, name)
            is_hostile = self._random.random() < self._hostility
            is_expected = name in required or name == "vocabulary"
            if self._random.random() < (0.2 if is_hostile else 0.0 if is_expected else 0.6):
                continue  # of an expected field, this is a defect
            fields[name] = (
                self._values.hostile(part, kind) if is_hostile else self._values.valid(part, kind)
            )
        if self._random.random() < self._hostility / 4:
            fields[self._values.text()] = 1
        return self._deep(fields)

    def _deep(self, fields: dict[str, object]) -> dict[str, object]:
        """Replaces a value somewhere within the fields."""
        if not fields or self._random.random() >= self._hostility:
            return fields
        inner = [one for one in fields.values() if isinstance(one, list | dict) and one]
        if inner:
            part = self._random.choice(inner)
            place = self._random.choice(list(part) if isinstance(part, dict) else range(len(part)))
            part[place] = self._values.hostile({})
        return fields

    def _with_odd_header(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        name, value = self._random.choice(_HEADERS)
        if name == "Host":
            headers = headers[1:]
        return [*headers, (name, value)]


def _header_text(value: object) -> str:
    """A value as a header can contain it: Latin-1, without control characters."""
    text = value if isinstance(value, str) else str(value)
    kept = "".join(c for c in text if c.isprintable() and ord(c) < 256)
    return kept.strip()[:4_000]
