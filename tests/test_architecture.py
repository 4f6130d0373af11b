"""Checks that every file and symbol named in docs/architecture.md exists."""

import ast
import re
from pathlib import Path

import pytest

from app.settings import PROJECT

TEXT = (PROJECT / "docs" / "architecture.md").read_text()
FILES = sorted(set(re.findall(r"`([\w/]+/[\w./]+\.(?:py|toml|md))[`:]", TEXT)))
SYMBOLS = sorted(set(re.findall(r"`([\w/]+\.py):([\w.]+)`", TEXT)))
FOLDERS = sorted(set(re.findall(r"`([\w/]+/)`", TEXT)))


def _names(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """The names that a module or class body defines, with the defining statements."""
    found: dict[str, ast.stmt] = {}
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found[name] = statement
            case ast.ClassDef(name=name):
                found[name] = statement
            case ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = statement
            case ast.Assign(targets=targets):
                found |= {
                    target.id: statement for target in targets if isinstance(target, ast.Name)
                }
    return found


def _defines(file: Path, symbol: str) -> bool:
    """Whether a module defines a function, class, constant, method or class attribute."""
    body = ast.parse(file.read_text()).body
    for name in symbol.split("."):
        statement = _names(body).get(name)
        if statement is None:
            return False
        body = statement.body if isinstance(statement, ast.ClassDef) else []
    return True


def test_the_document_names_files_and_symbols() -> None:
    assert len(FILES) > 20
    assert len(SYMBOLS) > 40


@pytest.mark.parametrize("path", [*FILES, *FOLDERS])
def test_path_exists(path: str) -> None:
    assert (PROJECT / path).exists()


@pytest.mark.parametrize(("path", "symbol"), SYMBOLS)
def test_symbol_exists(path: str, symbol: str) -> None:
    assert _defines(PROJECT / path, symbol)


def test_a_missing_symbol_is_detected() -> None:
    settings = PROJECT / "app" / "settings.py"
    assert _defines(settings, "Settings.max_image_bytes")
    assert not _defines(settings, "Settings.no_such_setting")
    assert not _defines(settings, "NoSuchClass")
