"""Checks that identifiers and module names use the vocabulary of docs/glossary.md.

The terms below have one replacement each; strings, comments and the HTTP contract are not checked.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from app.settings import PROJECT

PACKAGES = ("app", "training", "benchmarks", "harness")

REPLACED = {
    "counterpart": "shadow collection",
    "counterparts": "shadow collection",
    "twin": "shadow collection; a template in it, or a duplicate",
    "twins": "shadow collection; templates in it, or duplicates",
    "exchange": "cut_over, roll_back",
    "vault": "keyring",
    "bag": "TokenVectors",
    "bags": "TokenVectors",
    "sealed": "encrypted",
    "seal": "encrypt",
    "unseal": "decrypt",
    "confidence": "similarity, or detection_score",
}
"""Words that no identifier may contain, with the term to use instead."""

PARAMETERS = {"clock": "timings"}
"""Names that no parameter may have."""

CLASSES = {"IndexProjection": "IndexSync"}
MODULES = {
    "keys.py": "idempotency.py or keyring.py",
    "vault.py": "keyring.py",
    "bags.py": "space.py",
}

INTEGER_IDS = ("template_id", "person_id")
"""Public ids are strings; an integer database key is a `row_id`."""

ALLOWED: dict[tuple[str, str], str] = {
    ("app/store/archive_file.py", "sealed"): "a field of the archive's file format",
    ("app/compat/deepstack/answers.py", "confidence"): "a field of DeepStack's answers",
    ("app/compat/rekognition/answers.py", "confidence"): "a field of Rekognition's answers",
    (
        "app/compat/rekognition/answers.py",
        "searched_face_confidence",
    ): "a field of Rekognition's answers",
}
"""(file, identifier) -> why it is allowed."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def _files() -> list[Path]:
    return [file for package in PACKAGES for file in sorted((PROJECT / package).rglob("*.py"))]


def _identifiers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names that a module defines or passes by keyword, with their lines."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node.lineno
            case ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.arg(arg=name):
                yield name, node.lineno
            case ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.alias(asname=str(name)):
                yield name, node.lineno


def _parameters(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg, node.lineno


def _integer_ids(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Public ids that are annotated as integers."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                pass
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                pass
            case _:
                continue
        if name in INTEGER_IDS and re.search(r"\bint\b", ast.unparse(annotation)):
            yield name, node.lineno


def _violations(file: Path, source: str) -> Iterator[tuple[str, str]]:
    """(identifier, message) for every use of a replaced term in one module."""
    where = file.relative_to(PROJECT)
    if file.name in MODULES:
        yield file.name, f"{where}: name the module {MODULES[file.name]}"
    tree = ast.parse(source)
    for name, line in _identifiers(tree):
        for word in _WORD.findall(name):
            if word.lower() in REPLACED:
                yield name, f"{where}:{line}: {name}: use {REPLACED[word.lower()]}"
        if name in CLASSES:
            yield name, f"{where}:{line}: use {CLASSES[name]}"
    for name, line in _parameters(tree):
        if name in PARAMETERS:
            yield name, f"{where}:{line}: name the parameter {PARAMETERS[name]}"
    for name, line in _integer_ids(tree):
        yield name, f"{where}:{line}: {name} is an integer: use row_id"


def test_no_identifier_uses_a_replaced_term() -> None:
    found = [
        message
        for file in _files()
        for name, message in _violations(file, file.read_text())
        if (file.relative_to(PROJECT).as_posix(), name) not in ALLOWED
    ]
    assert not found, "\n".join(found)


def test_every_allowed_exception_is_used() -> None:
    used = {
        (file.relative_to(PROJECT).as_posix(), name)
        for file in _files()
        for name, _ in _violations(file, file.read_text())
    }
    assert set(ALLOWED) <= used


def test_replaced_terms_are_detected() -> None:
    source = """
class BagEvidence:
    template_id: int

def read(clock, vault_key):
    twin = openCounterpart = 1
"""
    names = {name for name, _ in _violations(PROJECT / "app" / "keys.py", source)}
    assert names == {
        "keys.py", "BagEvidence", "template_id", "clock", "vault_key", "twin", "openCounterpart",
    }  # fmt: skip
