"""Locates the files that are shipped with the service: models, graphs and migrations."""

from importlib.resources import files
from pathlib import Path

from platformdirs import user_data_path

_PACKAGE = Path(str(files("app")))
_CHECKOUT = _PACKAGE.parent

INSTALLED = (_PACKAGE / "migrations").is_dir()
"""Whether this is an installed package, which contains its data. A checkout has it beside `app/`,
also after `pip install -e`."""

MODELS = (_PACKAGE if INSTALLED else _CHECKOUT) / "models"
"""The models that are shipped. Not for writing: the next version replaces the folder."""

MIGRATIONS = (_PACKAGE if INSTALLED else _CHECKOUT) / "migrations"
"""Alembic's scripts."""


def default_data_dir() -> Path:
    """Returns the data folder where no setting names one.

    In a checkout it is `data` in the working directory. An installed package is started from any
    folder and uses the user's data folder, such as `~/.local/share/sima`.
    """
    return user_data_path("sima", appauthor=False) if INSTALLED else Path("data")
