"""Reads the lock files, which pin every package with its hashes (`make lock`)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app.settings import PROJECT

_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.+?))? \\$")
_HASH = re.compile(r"^    --hash=sha256:([0-9a-f]{64})(?: \\)?$")
_VIA = re.compile(r"^    # (?:via|  ) ?([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A pinned package; `via` names the packages that depend on it, or `sima` itself.

    `marker` states the platforms that it is installed on; None: all.
    """

    name: str
    version: str
    marker: str | None
    sha256: tuple[str, ...]
    via: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The packages of one purpose; `locks` are the endings of the names of its lock files."""

    title: str
    locks: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """The lock files."""
        return [PROJECT / f"requirements{ending}.lock" for ending in self.locks]


SERVICE = Group("Service", ("",))
IMAGE = Group("Container image", ("-image",))
GROUPS = (
    SERVICE,
    IMAGE,
    Group("Sentence encoder", ("-text", "-weights")),
    Group("HEIC", ("-heif",)),
    Group("Development", ("-dev", "-build")),
    Group("Training", ("-train", "-torch", "-torch-cpu", "-facenet")),
)
"""A package belongs to the first group that has it."""


def read_lock(file: Path) -> list[LockedPackage]:
    """Returns the packages of a lock file. Raises ValueError for one without a hash."""
    blocks: list[list[str]] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if _REQUIREMENT.match(line):
            blocks.append([line])
        elif line and not line.startswith((" ", "#")):
            raise ValueError(f"{file.name}: {line!r} is not pinned with a hash; run `make lock`")
        elif blocks:
            blocks[-1].append(line)
    return [_package(block) for block in blocks]


def read_groups() -> dict[Group, list[LockedPackage]]:
    """Returns the packages that each group adds to the groups before it, by name."""
    seen: set[str] = set()
    found: dict[Group, list[LockedPackage]] = {}
    for group in GROUPS:
        packages = {one.name: one for file in group.files for one in read_lock(file)}
        found[group] = [packages[name] for name in sorted(packages.keys() - seen)]
        seen |= packages.keys()
    return found


def _package(block: list[str]) -> LockedPackage:
    requirement = _REQUIREMENT.match(block[0])
    assert requirement is not None
    name, version, marker = requirement.groups()
    return LockedPackage(name, version, marker, _all(_HASH, block), _all(_VIA, block))


def _all(pattern: re.Pattern[str], lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(found[1] for line in lines if (found := pattern.match(line)))
