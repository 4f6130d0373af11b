"""Model manifests: strict parsing, digests and the calibration table."""

from pathlib import Path

import pytest

from app.errors import ModelError
from app.faces.pipeline.embed import load_embedder
from app.inference.manifest import Calibration, read_manifest
from tests.models import SHIPPED, with_other_mean


def test_preprocessing_changes_the_digest_of_the_space(tmp_path: Path) -> None:
    assert (
        read_manifest(SHIPPED).space.digest != read_manifest(with_other_mean(tmp_path)).space.digest
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('file = "model.onnx"', 'file = "../model.onnx"'),
        ('channels = "RGB"', 'channels = "YUV"'),
        ("format = 1", "format = 2"),
        ("format = 1", "format = 1\nsurprise = true"),
        ("format = 1", "format ="),
    ],
)
def test_an_invalid_manifest_is_rejected(tmp_path: Path, before: str, after: str) -> None:
    text = (SHIPPED / "manifest.toml").read_text()
    assert before in text
    (tmp_path / "manifest.toml").write_text(text.replace(before, after))
    with pytest.raises(ModelError, match=r"manifest\.toml is not a valid manifest: \S+"):
        read_manifest(tmp_path)


def test_a_validation_error_names_the_field_on_one_line(tmp_path: Path) -> None:
    text = (SHIPPED / "manifest.toml").read_text()
    changed = text.replace('channels = "RGB"', 'channels = "YUV"')
    (tmp_path / "manifest.toml").write_text(changed)
    with pytest.raises(ModelError, match=r"input\.channels: Input should be 'RGB' or 'BGR'$"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("similarity", "fmr"),
    [
        ((0.1,), (0.1,)),
        ((0.1, 0.2), (0.1,)),
        ((0.2, 0.1), (0.1, 0.01)),
        ((0.1, 0.2), (0.01, 0.1)),
        ((0.1, 0.2), (0.1, 0.0)),
    ],
)
def test_a_calibration_table_must_be_monotonic(
    similarity: tuple[float, ...], fmr: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="must"):
        Calibration(population="x", pairs=1, similarity=similarity, fmr=fmr)


def test_modified_weights_are_rejected(tmp_path: Path) -> None:
    folder = with_other_mean(tmp_path)
    with (folder / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ModelError, match="sha256"):
        load_embedder(folder, ["CPUExecutionProvider"])
    with pytest.raises(ModelError, match="is not readable"):
        load_embedder(tmp_path / "nowhere", ["CPUExecutionProvider"])
