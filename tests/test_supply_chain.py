"""Lock files, licences and the bill of materials: nothing is installed or shipped unlisted."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from app.settings import PROJECT
from harness.licences import MODEL_FILES, UNKNOWN, listed_licences, stated_licence
from harness.lock_files import GROUPS, IMAGE, SERVICE, Group, read_groups, read_lock

PERMISSIVE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC"),
    *("LLVM-exception", "MIT", "MIT-0", "MIT-CMU", "PDDL-1.0", "PSF-2.0", "Zlib"),
}
LIBRARIES = {"MPL-2.0", "LGPL-2.1-only", "LGPL-3.0-only"}
"""Licences that ask for the sources of changed libraries, and for nothing else of their users."""

ACCEPTED = {
    "Service": PERMISSIVE | {"MPL-2.0"},
    "Container image": PERMISSIVE | LIBRARIES,
    "Sentence encoder": PERMISSIVE | {"MPL-2.0"},
    "HEIC": PERMISSIVE | {"LGPL-3.0-or-later", "GPL-2.0-or-later"},
    "Development": PERMISSIVE | LIBRARIES,
    "Training": PERMISSIVE | {"LicenseRef-NVIDIA-Proprietary"},
    MODEL_FILES: PERMISSIVE,
}
PACKAGES = read_groups()


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.title)
def test_every_locked_package_is_listed(group: Group) -> None:
    assert set(listed_licences(group.title)) == {package.name for package in PACKAGES[group]}, (
        "run `make lock`, which adds missing rows to docs/licences.md"
    )


def test_every_model_file_is_listed() -> None:
    found = subprocess.run(
        ["git", "ls-files", "models"], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout.split()
    networks = {path for path in found if not path.endswith((".md", ".toml"))}
    assert set(listed_licences(MODEL_FILES)) == networks


@pytest.mark.parametrize("section", ACCEPTED)
def test_every_licence_is_accepted(section: str) -> None:
    for name, licence in listed_licences(section).items():
        assert licence != UNKNOWN, f"state the licence of {name} in docs/licences.md"
        keys = set(re.findall(r"[\w.-]+", licence)) - {"AND", "OR", "WITH"}
        assert keys <= ACCEPTED[section], f"{name}: {licence}"


def test_a_listed_licence_is_the_one_that_the_package_states() -> None:
    """An upgrade that changes the licence is noticed."""
    compared = 0
    for group in GROUPS:
        for name, licence in listed_licences(group.title).items():
            stated = stated_licence(name)
            compared += stated is not None
            assert stated in (None, licence), f"{name} states {stated}"
    assert compared > 50


def test_the_lock_files_agree_on_versions() -> None:
    """A package may have several versions by platform or Python, the same ones in every file."""
    files = [file for group in GROUPS for file in group.files]
    versions = {file.name: {(one.name, one.version) for one in read_lock(file)} for file in files}
    complete = versions["requirements-train.lock"]
    names = {name for name, _ in complete}
    for file, found in versions.items():
        assert {one for one in found if one[0] in names} <= complete, file


def test_a_requirement_without_a_hash_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("anyio==4.4.0\n")
    with pytest.raises(ValueError, match=r"'anyio==4\.4\.0' is not pinned with a hash"):
        read_lock(lock)


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile"])
def test_everything_is_installed_by_hash(name: str) -> None:
    """Except the project itself, without its dependencies, and a torch that the user names."""
    text = (PROJECT / name).read_text().replace("\\\n", " ")
    text = text.replace("$(LOCKED)", "$(PIP) --require-hashes").replace("$(PIP)", "pip install")
    installs = [part for part in re.split(r"\n|&&", text) if "pip install" in part]
    installs = [one for one in installs if ":=" not in one and "$(TORCH)" not in one]
    assert installs
    for one in installs:
        own = "--no-deps --no-build-isolation" in one
        assert "--require-hashes" in one or own, one


def test_the_bill_of_materials_is_valid_and_complete(tmp_path: Path) -> None:
    file = tmp_path / "new" / "sima.cdx.json"
    subprocess.run([sys.executable, "-m", "harness.sbom", file], cwd=PROJECT, check=True)
    text = file.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = json.loads(text)
    components = {one["name"]: one for one in found["components"]}
    locked = {package.name for group in (SERVICE, IMAGE) for package in PACKAGES[group]}
    assert set(components) == locked | set(listed_licences(MODEL_FILES))
    for component in components.values():
        assert component["licenses"]
        hashes = component.get("hashes") or component["externalReferences"][0]["hashes"]
        assert hashes
    assert components["fastapi"]["scope"] == "required"
    assert components["psycopg"]["scope"] == "optional"
    depends = {one["ref"]: one.get("dependsOn", []) for one in found["dependencies"]}
    assert components["starlette"]["bom-ref"] in depends[components["fastapi"]["bom-ref"]]
    direct = depends[found["metadata"]["component"]["bom-ref"]]
    assert components["fastapi"]["bom-ref"] in direct
    assert components["starlette"]["bom-ref"] not in direct
