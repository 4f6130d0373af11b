"""Keeps the tables of docs/licences.md up to date: `python -m harness.licences`."""

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, metadata

from app.settings import PROJECT
from harness.lock_files import LockedPackage, read_groups

FILE = PROJECT / "docs" / "licences.md"
MODEL_FILES = "Model files"
"""The section of the files in models/."""
UNKNOWN = "UNKNOWN"

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)


def listed_licences(section: str) -> dict[str, str]:
    """Returns name -> SPDX expression of the rows below the heading `section`."""
    return {name: licence.strip() for name, licence in _ROW.findall(_sections()[section])}


def stated_licence(name: str) -> str | None:
    """Returns the SPDX expression in an installed package's metadata, if it states one."""
    try:
        stated = metadata(name)
    except PackageNotFoundError:
        return None
    key = "License-Expression"
    return stated[key] if key in stated else None  # noqa: SIM401 - the type has no `get`


def main() -> None:
    """Rewrite the tables of packages. A licence that is already listed is kept."""
    text = FILE.read_text(encoding="utf-8")
    known = {name: licence.strip() for name, licence in _ROW.findall(text)}
    for group, packages in read_groups().items():
        section = _sections()[group.title]
        start = section.find("\n| package |")
        text = text.replace(section, section[:start] + _table(packages, known))
    FILE.write_text(text, encoding="utf-8")


def _table(packages: Iterable[LockedPackage], known: dict[str, str]) -> str:
    names = [package.name for package in packages]
    rows = [
        f"| `{name}` | {known.get(name) or stated_licence(name) or UNKNOWN} |" for name in names
    ]
    return "\n".join(["", "| package | licence |", "|---|---|", *rows, "", ""])


def _sections() -> dict[str, str]:
    """Heading -> the text until the next heading."""
    parts = _SECTION.split(FILE.read_text(encoding="utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


if __name__ == "__main__":
    main()
