"""Invalid arguments of commands: one clear line, no traceback, no secret."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.settings import PROJECT


@pytest.fixture
def photo(tmp_path: Path, photos: dict[str, bytes]) -> Path:
    """A photo of one person."""
    file = tmp_path / "photo.jpg"
    file.write_bytes(photos["obama"])
    return file


def refusal(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: object) -> str:
    """Runs a command that must fail; returns the only line on standard error."""
    monkeypatch.setenv("SIMA_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("SIMA_DEFAULT_VOCABULARY", "")
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), "an exception would be a traceback"
    [line] = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("verify", "--target-fmr", 5), "target_fmr 5 is not allowed; use a number above 0"),
        (("verify", "--target-fmr", 0), "target_fmr 0 is not allowed; use a number above 0"),
        (("verify", "--target-fmr", "nan"), "target_fmr nan is not allowed"),
        (("verify", "--threshold", 2), "the threshold 2 is not allowed; use a cosine"),
        (("identify", "--target-fpir", 7), "target_fpir 7 is not allowed; use a number above 0"),
        (("identify", "--target-fpir", 0), "target_fpir 0 is not allowed; use a number above 0"),
        (("identify", "--threshold", -2), "the threshold -2 is not allowed; use a cosine"),
    ],
)
def test_a_rate_out_of_range_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    photo: Path,
    options: tuple[object, ...],
    text: str,
) -> None:
    command, *rest = options
    files = [photo, photo] if command == "verify" else [photo]
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))
    result = CliRunner().invoke(app, [str(part) for part in (command, *files, *rest)])
    assert result.exit_code == 2, result.output
    assert text in " ".join(result.stderr.replace("│", "").split())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("enroll", "p.jpg", "--name", "N", "--metadata", "{"), "--metadata is not valid JSON"),
        (("enroll", "p.jpg", "--name", "N", "--metadata", "[]"), "--metadata is not a JSON object"),
        (("enroll", "p.jpg", "--person-id", "p", "--external-id", "1"), "use persons change"),
        (("persons", "change", "p"), "nothing to change"),
        (("persons", "change", "p", "--name", ""), "name: a string of 0 characters"),
        (("persons", "change", "p", "--external-id", "1", "--no-external-id"), "pass either"),
    ],
)
def test_wrong_values_about_people_are_usage_errors(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert text in " ".join(result.stderr.replace("│", "").split())
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "--port", "99999"),
        ("serve", "--port", "-5"),
        ("serve", "--workers", "0"),
        ("identify", "photo.jpg", "--top-k", "0"),
        ("words", "nearest", "orange", "--k", "0"),
    ],
)
def test_a_number_out_of_range_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert "Input should be" in result.stderr
    assert not (tmp_path / "data").exists()


def test_an_unknown_model_is_an_error_of_the_caller(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line = refusal(monkeypatch, tmp_path, "models", "pull", "nope")
    assert line.startswith("validation_error: nope is not a published model; choose one of ")
    line = refusal(monkeypatch, tmp_path, "models", "import", "nope.pt")
    assert line == "validation_error: nope.pt does not exist; check the path"
    line = refusal(monkeypatch, tmp_path, "models", "calibrate", "nope", tmp_path)
    assert line.startswith(f"model_error: {tmp_path} contains no photos")


@pytest.mark.parametrize(
    "url",
    [
        "http://user:sk-secret@127.0.0.1:1/weights.pt?token=sk-secret",
        "http://user:sk-secret@127.0.0.1:1/weights",
        "ftp://user:sk-secret@127.0.0.1:1/weights.pt",
        "user:sk-secret@127.0.0.1:1/weights.pt#sk-secret",
    ],
)
def test_the_url_of_a_mirror_is_shown_without_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    line = refusal(monkeypatch, tmp_path, "models", "pull", "facenet-casia", "--url", url)
    assert line.startswith("model_error: ")
    assert "127.0.0.1:1/weights" in line
    assert "sk-secret" not in line


@pytest.mark.parametrize("dataset", ["agnews", "snips", "awa2"])
def test_a_missing_data_set_is_looked_for_in_the_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dataset: str
) -> None:
    line = refusal(monkeypatch, tmp_path, "zero-shot", "evaluate", dataset)
    assert line.startswith(f"validation_error: {tmp_path / 'data' / 'zero-shot'}")
    assert line.endswith("name the folder of the data with --data")
    shown = CliRunner().invoke(app, ["zero-shot", "evaluate", "--help"]).stdout
    assert str(PROJECT.parent) not in shown.replace("\n", "")
    assert "shared" not in shown


def test_an_unknown_revision_of_the_schema_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line = refusal(monkeypatch, tmp_path, "db", "upgrade", "nope")
    assert line.startswith("validation_error: the migration to 'nope' failed: ")
