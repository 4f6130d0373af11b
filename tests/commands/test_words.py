"""Tests the command `sima words`."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def sima(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["words", *(str(word) for word in words)])
    assert result.exit_code == code, result.output
    return result.output


def vector_file(folder: Path) -> Path:
    """Vectors of two capitals and their countries for which both analogy methods are correct."""
    file = folder / "capitals.txt"
    rng = np.random.default_rng(0)
    lines = []
    for number, (city, country) in enumerate([("athens", "greece"), ("oslo", "norway")]):
        place = rng.normal(size=6)
        for word, kind in ((city, 1.0), (country, -1.0)):
            row = [*(10 * (number == n) for n in range(2)), kind, *place]
            lines.append(f"{word} {' '.join(f'{value:.5f}' for value in row)}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_import_query_export_and_import_again(folder: Path) -> None:
    file = vector_file(folder)
    assert "capitals: 4 words, 9 dimensions" in sima("import", file, "--name", "capitals")
    near = json.loads(sima("nearest", "athens", "--vocabulary", "capitals", "--json"))
    assert near[0]["word"] == "greece"
    out = folder / "out.bin"
    sima("export", "capitals", out, "--format", "word2vec-binary")
    assert "again: 4 words" in sima("import", out, "--name", "again")
    assert "format is 'xls'; one of" in sima("export", "capitals", out, "--format", "xls", code=1)
    assert "collection_exists" in sima("import", file, "--name", "again", code=1)
    file.write_text("a 1 2\nb 1\n")
    assert "expected 2 numbers after the word, got 1" in sima(
        "import", file, "--name", "broken", code=1
    )


def test_evaluate_reports_scores_and_known_words(folder: Path) -> None:
    sima("import", vector_file(folder), "--name", "capitals")
    rows = {row["test"]: row for row in json.loads(sima("evaluate", "capitals", "--json"))}
    assert rows["analogies, 3CosAdd"]["known"] == "2 of 19544"
    assert rows["analogies, 3CosAdd"]["score"] == 1.0
    assert rows["analogies, 3CosMul"]["score"] == 1.0
    assert rows["WordSim-353, Spearman"]["known"] == "0 of 353"
    assert rows["SimLex-999, Spearman"]["known"] == "0 of 999"
