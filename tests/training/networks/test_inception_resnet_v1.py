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


def test_a_deeper_network_computes_the_same_until_it_is_trained() -> None:
    shallow = InceptionResnetV1(16, 0.25, repeats=(1, 1, 1)).eval()
    deep = InceptionResnetV1(16, 0.25, repeats=(2, 3, 1)).eval()
    deep.load_shallower(shallow.state_dict())
    crops = torch.randn(2, 3, 80, 80)
    assert torch.allclose(deep(crops), shallow(crops), atol=1e-6)

    before = deep.repeat_2[2].conv2d.weight.clone()
    deep.train()
    optimizer = torch.optim.SGD(deep.parameters(), 0.1)
    (deep(torch.randn(4, 3, 80, 80)) - deep(torch.randn(4, 3, 80, 80))).square().sum().backward()
    optimizer.step()
    assert not torch.equal(deep.repeat_2[2].conv2d.weight, before), "the new block learns"


def test_weights_of_another_network_are_refused() -> None:
    deep = InceptionResnetV1(16, 0.25, repeats=(1, 2, 1))
    shallow = InceptionResnetV1(16, 0.25, repeats=(1, 1, 1))
    with pytest.raises(RuntimeError, match=r"repeat_2\.1"):
        shallow.load_shallower(deep.state_dict())
    state = deep.state_dict()
    del state["last_linear.weight"]
    with pytest.raises(RuntimeError, match="last_linear"):
        deep.load_shallower(state)
    with pytest.raises(RuntimeError, match="size mismatch"):
        deep.load_shallower(InceptionResnetV1(32, 0.25, repeats=(1, 2, 1)).state_dict())
