"""Settings from the environment, and the errors of invalid values."""

from pathlib import Path

import pytest

from app.errors import InvalidSetting
from app.settings import Settings
from app.wiring.services import open_store
from tests.conftest import make_settings


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("SIMA_PORT", "99999", '"99999" is not allowed; use a number of at most 65535'),
        ("SIMA_PORT", "http", '"http" is not allowed; use a whole number'),
        (
            "SIMA_LOG_LEVEL",
            "loud",
            "\"loud\" is not allowed; use 'debug', 'info', 'warning' or 'error'",
        ),
        ("SIMA_STORE_PHOTOS", "maybe", '"maybe" is not allowed; use true or false'),
        (
            "SIMA_RATE_LIMIT",
            "often",
            "the rate limit is invalid; use a form such as 100/minute or 5/second",
        ),
    ],
)
def test_an_invalid_value_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, text: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting) as caught:
        Settings(_env_file=None)
    assert str(caught.value) == f"{variable}: {text}"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SIMA_API_KEYS", "sk-secret"),
        ("SIMA_API_KEYS", '["sk-secret"]'),
        ("SIMA_API_KEYS", '{"sk-secret": "admin"}'),
        ("SIMA_API_KEYS", '{"read": "sk-secret"}'),
        ("SIMA_INDEX_URL", "mysql://user:sk-secret@host"),
        ("SIMA_REKOGNITION_KEYS", "sk-secret"),
        ("SIMA_REKOGNITION_KEYS", '{"KEYID": "sk-secret"}'),
        ("SIMA_REKOGNITION_KEYS", '{"sk-secret!": {"secret": "0123456789abcdef"}}'),
        ("SIMA_REKOGNITION_KEYS", '{"KEYID": {"secret": "sk-secret"}}'),
        ("SIMA_REKOGNITION_KEYS", '{"KEYID": {"secret": "0123456789abcdef", "role": "sk-secret"}}'),
    ],
)
def test_an_error_contains_no_secret(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSetting) as caught:
        Settings(_env_file=None)
    assert str(caught.value).startswith(f"{variable}: ")
    assert "\n" not in str(caught.value)
    assert "sk-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "settings",
    [
        {"database_url": "garbage sk-secret"},
        {"database_url": "nonsense://user:sk-secret@host/x"},
        {"database_url": "oracle://user:sk-secret@host/x"},
        {"database_url": "postgresql+psycopg://user:sk-secret@host:port/x"},
        {"database_url": "postgresql+psycopg://user:p@sk-secret@host/x"},
        {"database_url": "postgresql+psycopg://user:p@sk-secret/x@host/x"},
        {"index_url": "pgvector:sk-secret"},
        {"index_url": "pgvector:postgresql+psycopg://user:sk-secret@host:port/x"},
        {"index_url": "milvus:http://user:sk-secret@host:port"},
        {"index_url": "milvus:http://user:sk-secret@host:99999"},
        {"index_url": "milvus:http://user:sk-secret@[host"},
        {"index_url": "milvus:tcp://user:sk-secret@host"},
        {"encryption_keys": "sk-secret"},
        {"encryption_keys": "sk-secret-é"},
        {"encryption_key_file": "/no/such/file"},
    ],
)
def test_settings_of_the_store_are_checked_when_it_is_opened(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with pytest.raises(InvalidSetting) as caught:
        open_store(make_settings(tmp_path, **settings))
    assert str(caught.value).startswith("SIMA_")
    assert "\n" not in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_the_repr_contains_no_secret() -> None:
    """It is what a log or an error would contain."""
    settings = Settings(
        _env_file=None,
        api_keys={"sk-secret": "read"},
        database_url="postgresql+psycopg://user:sk-secret@host/x",
        index_url="pgvector:postgresql+psycopg://user:sk-secret@host/x",
        index_token="sk-secret",
        encryption_keys="sk-secret",
    )
    assert "sk-secret" not in f"{settings!r} {settings} {settings.secret_key_roles()}"


def test_the_database_defaults_to_a_file_in_the_data_folder() -> None:
    settings = Settings(_env_file=None, data_dir=Path("somewhere"))
    assert settings.effective_database_url == "sqlite:///somewhere/sima.db"
