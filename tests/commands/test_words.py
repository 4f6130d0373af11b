"""`sima words` on a store of its own, and `sima-train words` from a text to an answer."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.commands.words import _packaged_tests
from app.words.evaluation import Vectors, analogies, similarity, spearman


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIMA_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def sima(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["words", *(str(word) for word in words)])
    assert result.exit_code == code, result.output
    return result.output


def vector_file(folder: Path) -> Path:
    """The words of the questions about capitals, on a plane where the answers are right."""
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


def test_import_ask_export_and_import_again(folder: Path) -> None:
    file = vector_file(folder)
    assert "capitals: 4 words, 9 dimensions" in sima("import", file, "--name", "capitals")
    near = json.loads(sima("nearest", "athens", "--vocabulary", "capitals", "--json"))
    assert near[0]["word"] == "greece"
    out = folder / "out.bin"
    sima("export", "capitals", out, "--format", "word2vec-binary")
    assert "again: 4 words" in sima("import", out, "--name", "again")
    assert "the formats are" in sima("export", "capitals", out, "--format", "xls", code=1)
    assert "collection_exists" in sima("import", file, "--name", "again", code=1)
    file.write_text("a 1 2\nb 1\n")
    assert "1 numbers, 2 are expected" in sima("import", file, "--name", "broken", code=1)


def test_evaluate_counts_what_is_known(folder: Path) -> None:
    sima("import", vector_file(folder), "--name", "capitals")
    rows = {row["test"]: row for row in json.loads(sima("evaluate", "capitals", "--json"))}
    assert rows["analogies, 3CosAdd"]["known"] == "2 of 19544"
    assert rows["analogies, 3CosAdd"]["score"] == 1.0
    assert rows["analogies, 3CosMul"]["score"] == 1.0
    assert rows["WordSim-353, Spearman"]["known"] == "0 of 353"
    assert rows["SimLex-999, Spearman"]["known"] == "0 of 999"


def test_scores_by_hand(folder: Path) -> None:
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 90.0])) == pytest.approx(1.0)
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == pytest.approx(-1.0)
    ties = spearman(np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    assert ties == pytest.approx(3**0.5 / 2), "Pearson of the ranks 1.5 1.5 3 and 1 2 3"
    file = folder / "pairs.tsv"
    file.write_text("# word\tword\tmean\na\tb\t9\na\tc\t5\nb\tc\t1\nA\tnobody\t3\n")
    rows = np.array([[1, 0], [0.9, 0.4], [0.3, 0.9]])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = similarity(Vectors(["a", "b", "c"], rows.astype(np.float32)), file)
    assert (found.pairs, found.of) == (3, 4)
    assert found.spearman == pytest.approx(0.5), "0.91, 0.32, 0.66 against 9, 5, 1"
    nothing = analogies(
        Vectors(["a", "b"], rows[:2].astype(np.float32)), _packaged_tests() / "questions-words.txt"
    )
    assert nothing.asked == 0
    assert np.isnan(nothing.cos_add)
