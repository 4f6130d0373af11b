"""Adds the models and migrations to the package `app` of a wheel; see `app/resources.py`.

All other settings of the build are in `pyproject.toml`.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DATA = {
    "models": ("face-quality/*", "graphs/*", "sima-*/*"),  # no weights that somebody pulled
    "migrations": ("*.py", "versions/*.py"),
}
"""Folder of the repository -> patterns of its files that belong to the package."""


class BuildWithData(build_py):
    """Copies the data beside the modules. An editable installation uses the checkout instead."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for folder, patterns in DATA.items():
            source, target = Path(folder), Path(self.build_lib, "app", folder)
            shutil.rmtree(target, ignore_errors=True)  # of an earlier build
            for file in (file for pattern in patterns for file in source.glob(pattern)):
                copy = target / file.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)


setup(cmdclass={"build_py": BuildWithData})
