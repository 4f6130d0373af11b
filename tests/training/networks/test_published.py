"""Compares the filled graph with facenet-pytorch for every format of the weights."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from safetensors.numpy import save_file

from app.errors import ModelError
from app.inference.catalog.graphs import fill_graph, read_weights
from app.inference.session import OnnxSession
from app.settings import PROJECT
from training.faces.export import export_graph
from training.networks.published import published_network

GRAPH = PROJECT / "models" / "graphs" / "inception_resnet_v1.onnx"


@pytest.fixture(scope="module")
def network() -> Any:
    """facenet-pytorch's network with random weights and non-trivial batch normalisation."""
    torch.manual_seed(3)
    if find_spec("facenet_pytorch") is None:
        pytest.skip("needs facenet-pytorch")
    network = published_network()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith(("running_mean", "bn.bias")):
                value.normal_(0.0, 0.1)
            elif name.endswith(("running_var", "bn.weight")):
                value.uniform_(0.8, 1.2)
    return network


@pytest.mark.parametrize("kind", ["safetensors", "zip.pt", "legacy.pt"])
def test_the_filled_graph_equals_facenet_pytorch(network: Any, kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"weights.{kind}"
    state = network.state_dict()
    if kind == "safetensors":
        save_file({name: value.numpy() for name, value in state.items()}, file)
    else:
        torch.save(state, file, _use_new_zipfile_serialization=kind == "zip.pt")
    session = OnnxSession(fill_graph(GRAPH, read_weights(file)), ["CPUExecutionProvider"])
    crops = torch.randn(3, 3, 160, 160)
    with torch.no_grad():
        expected = network(crops).numpy()
    assert np.abs(session.run(crops.numpy())[0] - expected).max() < 1e-4


def test_a_truncated_file_raises_model_error(network: Any, tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    torch.save(network.state_dict(), file, _use_new_zipfile_serialization=False)
    whole = file.read_bytes()
    for length in (len(whole) - 1_000, len(whole) // 2, 2_000):
        file.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"weights\.pt"):
            read_weights(file)


@pytest.mark.slow
def test_the_committed_graph_equals_a_new_export(network: Any, tmp_path: Path) -> None:
    """Another version of the exporter may use other nodes for the same function."""
    fresh = tmp_path / "graph.onnx"
    export_graph(fresh)
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    crops = np.random.default_rng(0).normal(size=(2, 3, 160, 160)).astype(np.float32)
    ours, theirs = (
        OnnxSession(fill_graph(graph, state), ["CPUExecutionProvider"]).run(crops)[0]
        for graph in (GRAPH, fresh)
    )
    assert np.abs(ours - theirs).max() < 1e-5
