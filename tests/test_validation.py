"""The translation of pydantic's validation errors."""

from typing import get_args

import pytest
from pydantic_core.core_schema import ErrorType

from app.validation import error_text

CONTEXT = {
    "min_length": 1,
    "max_length": 3,
    "gt": 0,
    "ge": 0,
    "lt": 9,
    "le": 9,
    "expected": "'a' or 'b'",
    "pattern": "^x$",
    "error": "Expecting value: line 1 column 1 (char 0)",
}


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_every_error_type_has_an_own_text(kind: str) -> None:
    error = {"type": kind, "loc": ("x",), "input": "secret-value" * 10, "ctx": CONTEXT}
    for secret in (True, False):
        text = error_text({**error, "msg": "Input should be different"}, secret)
        assert "Input should" not in text
        assert "Expecting" not in text
        assert "secret-value" not in text
        assert len(text) < 150


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (7, "7"),
        ("x", '"x"'),
        ("x" * 50, "a string of 50 characters"),
        ([1], "an array of 1 item"),
        ({}, "an object"),
        (b"x", "the value"),
    ],
)
def test_the_text_states_what_was_sent(value: object, text: str) -> None:
    error = {"type": "literal_error", "input": value, "ctx": CONTEXT}
    assert error_text(error) == f"{text} is not allowed; use 'a' or 'b'"


def test_a_secret_is_not_quoted() -> None:
    error = {"type": "literal_error", "input": "sk-1", "ctx": CONTEXT}
    assert error_text(error, secret=True) == "the string is not allowed; use 'a' or 'b'"


def test_a_text_of_the_schema_is_kept() -> None:
    error = {"type": "value_error", "input": 1, "ctx": {"error": ValueError("send one of a and b")}}
    assert error_text(error) == "send one of a and b"
