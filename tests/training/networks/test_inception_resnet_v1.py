"""Inception-ResNet v1: output shapes, and agreement with facenet-pytorch."""

from importlib.util import find_spec

import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from training.networks.inception_resnet_v1 import InceptionResnetV1
from training.networks.published import published_network


def test_a_random_network_has_unit_outputs_at_any_size_and_width() -> None:
    for width, size in ((0.25, 80), (0.5, 112)):
        network = InceptionResnetV1(64, width).eval()
        out = network(torch.randn(2, 3, size, size))
        assert out.shape == (2, 64)
        assert out.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)


@pytest.mark.skipif(find_spec("facenet_pytorch") is None, reason="needs facenet-pytorch")
def test_the_full_width_network_equals_the_published_one() -> None:
    theirs = published_network()
    ours = InceptionResnetV1().eval()
    state = theirs.state_dict()
    ours.load_state_dict(state)
    assert set(ours.state_dict()) == set(state)
    crops = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        assert torch.allclose(ours(crops), theirs(crops), atol=1e-5)
