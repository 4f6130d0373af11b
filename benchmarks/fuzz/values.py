"""Generates values of a JSON schema: valid ones, and hostile ones."""

import random
from collections import deque
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, cast

from benchmarks.fuzz.images import ImageMutator

Schema = Mapping[str, Any]

LONE_SURROGATE = "a\ud800b"
_LEVELS = 4  # of valid values
_REMEMBERED = 50
_WORDS = ("orange", "king", "queen", "river", "doctor", "green", "two words", "Köln", "سیب")

_TEXTS: tuple[str, ...] = (
    *("", " ", "\0", "a\0b", LONE_SURROGATE, "\udfff", "\uffff", "\u202eabc", "e\u0301" * 50, "😀"),
    *("\t\r\n", "../../etc/passwd", "%00", "%s%n%x", "'; DROP TABLE entries; --", "${7*7}", "\\"),
    *("a" * 300, "é" * 5_000, "null", "NaN", "Infinity", "1e309", "-1", "0x10", "1_000", "１２"),
    *("[", '{"a":', '"', "true", "default", ".", "..", "/", "//", "a/b", "?", "#", "data:,a"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", "P1D"),
)
_NUMBERS: tuple[float, ...] = (
    *(0, -1, 1, -0.0, 0.5, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63 - 1, 2**63, 2**64),
    *(10**17, -(10**25), 10**400, 1e308, -1e308, 5e-324, 1e-45, 3.5e38),
    *(float("nan"), float("inf"), float("-inf")),
)


@dataclass(frozen=True, slots=True)
class Known:
    """Names and ids that exist in the service, by the name of the field that takes them.

    The ids that the service makes are added from its responses.
    """

    names: dict[str, deque[str]] = field(default_factory=dict)

    def add(self, kind: str, value: str) -> None:
        """Adds a value; the oldest ones are forgotten."""
        self.names.setdefault(kind, deque(maxlen=_REMEMBERED)).append(value)

    def find(self, kind: str) -> list[str]:
        """The values of a field, an empty list if none is known."""
        return list(self.names.get(kind, ()))


class Values:
    """Generates values for one request. Bytes are the content of files."""

    def __init__(self, rng: random.Random, known: Known, components: Schema) -> None:
        """`components` are the schemas of the OpenAPI document that `$ref` names."""
        self._random, self._known, self._components = rng, known, components
        self._images = ImageMutator(rng)

    def valid(self, schema: Schema, name: str = "", level: int = 0) -> object:
        """A value that the schema permits, apart from patterns. `name` is the field's name."""
        schema = self.resolve(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        known = self._known.find(name)
        if known and self._random.random() < 0.9:
            return self._random.choice(known)
        examples = [
            *schema.get("examples", ()),
            *([schema["example"]] if "example" in schema else ()),
        ]
        if examples and self._random.random() < 0.4:
            return deepcopy(self._random.choice(examples))  # requests change parts of their values
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self.valid(self._random.choice(schema[union]), name, level)
        return self._of_type(schema, name, level)

    def hostile(self, schema: Schema, name: str = "") -> object:
        """A value that the schema may or may not permit; it was chosen to be difficult."""
        kind = self._random.random()
        if _is_file(self.resolve(schema)) and kind < 0.8:
            return self._images.mutated()
        if kind < 0.4:
            return self._random.choice(_TEXTS)
        if kind < 0.7:
            return self._random.choice(_NUMBERS)
        if kind < 0.8:
            return self._random.choice((None, True, False, [], {}, [[]], [None], {"": None}))
        if kind < 0.9:
            return self._nested()
        return self._repeated(self.valid(schema, name))

    def text(self) -> str:
        """A difficult text."""
        return self._random.choice(_TEXTS)

    def resolve(self, schema: Schema) -> Schema:
        """The schema that `$ref` and `allOf` refer to."""
        while "$ref" in schema:
            schema = cast(Schema, self._components[str(schema["$ref"]).rpartition("/")[2]])
        for part in schema.get("allOf", ()):
            schema = {**schema, **self.resolve(part)}
        return schema

    def _of_type(self, schema: Schema, name: str, level: int) -> object:
        if _is_file(schema):
            return self._file(name)
        if schema.get("contentMediaType") == "application/json":
            return self._random.choice(('{"a": 1}', "[0.5, 0.5]", '["cat", "dog"]', "[]"))
        match schema.get("type"):
            case "object":
                return self._object(schema, level)
            case "array":
                return self._array(schema, name, level)
            case "null":
                return None
        return self._scalar(schema)

    def _scalar(self, schema: Schema) -> str | float:
        match schema.get("type"):
            case "integer":
                lowest, highest = schema.get("minimum", 0), schema.get("maximum", 100)
                return self._random.randint(int(lowest), min(int(highest), int(lowest) + 20))
            case "number":
                lowest, highest = schema.get("minimum", 0.0), schema.get("maximum", 1.0)
                return self._random.uniform(max(lowest, -1.0), min(highest, 1.0))
            case "boolean":
                return self._random.random() < 0.5
        return self._random.choice(_WORDS)

    def _object(self, schema: Schema, level: int) -> dict[str, object]:
        required = schema.get("required", ())
        chance = 0.6 if level < _LEVELS else 0.0
        value = {
            name: self.valid(part, name, level + 1)
            for name, part in schema.get("properties", {}).items()
            if name in required or self._random.random() < chance
        }
        for part in schema.get("patternProperties", {}).values():
            value |= {word: self.valid(part, "", level + 1) for word in _WORDS[:2]}
        if schema.get("additionalProperties") is True:
            value[self._random.choice(_WORDS)] = self._random.choice((1, "a", None, [1], {"b": 2}))
        return value

    def _array(self, schema: Schema, name: str, level: int) -> list[object]:
        name = name.removesuffix("s")  # the items of `FaceIds` are ids of the kind `FaceId`
        if "prefixItems" in schema:
            return [self.valid(part, name, level + 1) for part in schema["prefixItems"]]
        items = schema.get("items", {})
        if self.resolve(items).get("type") == "number":
            size = self._random.choice((3, 3, 3, 50, 256))
            return [self._random.uniform(-1.0, 1.0) for _ in range(size)]
        least = max(int(schema.get("minItems", 0)), 1)
        return [
            self.valid(items, name, level + 1) for _ in range(least + self._random.randrange(3))
        ]

    def _file(self, name: str) -> bytes:
        if name in ("file", "words") and self._random.random() < 0.5:
            return self._images.vocabulary()  # CompreFace has images in `file`
        return self._images.whole() if self._random.random() < 0.6 else self._images.mutated()

    def _nested(self) -> object:
        value: object = 1
        as_object = self._random.random() < 0.5
        for _ in range(self._random.choice((5, 17, 40, 500))):
            value = {"a": value} if as_object else [value]
        return value

    def _repeated(self, value: object) -> object:
        number = self._random.choice((2, 200, 5_000))
        if isinstance(value, str):
            return value * min(number, 200)
        return [value] * (number if not isinstance(value, bytes | dict | list) else 2)


def _is_file(schema: Schema) -> bool:
    return schema.get("format") == "binary" or schema.get("contentEncoding") == "base64"
