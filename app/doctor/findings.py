"""Findings: what a check of the installation found, and the remedy."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]

REPAIR = "run `sima doctor --repair`"
"""The remedy of findings that the command itself can repair."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the result. `remedy` is empty if nothing is to be done.

    A problem makes the service refuse requests, or exposes or endangers data; a warning does not
    yet.
    """

    level: Level
    subject: str
    text: str
    remedy: str = ""


def problem(subject: str, text: str, remedy: str) -> Finding:
    """A finding of the level problem."""
    return Finding("problem", subject, text, remedy)


def warning(subject: str, text: str, remedy: str) -> Finding:
    """A finding of the level warning."""
    return Finding("warning", subject, text, remedy)


def ok(subject: str, text: str) -> Finding:
    """A finding that nothing is wrong."""
    return Finding("ok", subject, text)
