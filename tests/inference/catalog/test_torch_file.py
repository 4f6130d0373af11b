"""`.pt` files: code in the pickle is rejected, and so are files that are no state dict."""

import pickle
import zipfile
from pathlib import Path

import pytest

from app.errors import ModelError
from app.inference.catalog.torch_file import read_torch_file


class Evil:
    """Creates a file when it is unpickled by Python's own unpickler."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self._trace,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_rejected_and_not_executed(tmp_path: Path, zipped: bool) -> None:
    trace, file = tmp_path / "trace", tmp_path / "weights.pt"
    content = pickle.dumps({"weight": Evil(trace)})
    if zipped:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", content)
    else:
        file.write_bytes(content)
    with pytest.raises(ModelError, match="is not allowed in a state dict"):
        read_torch_file(file)
    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 no archive", b"\x80\x04no pickle", pickle.dumps([1, 2]), pickle.dumps(3)],
)
def test_other_files_raise_model_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "weights.pt"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"weights\.pt"):
        read_torch_file(file)


def test_an_archive_without_a_pickle_raises_model_error(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    with pytest.raises(ModelError, match=r"weights\.pt"):
        read_torch_file(file)
