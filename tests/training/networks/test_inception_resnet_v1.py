"""Inception-ResNet v1: output shapes, and agreement with facenet-pytorch."""

from importlib.util import find_spec

import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from torch import library
from torch.nn import functional

from training.networks.growth import load_smaller
from training.networks.inception_resnet_v1 import Additions, InceptionResnetV1
from training.networks.pointwise import pointwise
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
    load_smaller(deep, shallow.state_dict())
    crops = torch.randn(2, 3, 80, 80)
    assert torch.allclose(deep(crops), shallow(crops), atol=1e-6)

    before = deep.repeat_2[2].conv2d.weight.clone()
    deep.train()
    optimizer = torch.optim.SGD(deep.parameters(), 0.1)
    (deep(torch.randn(4, 3, 80, 80)) - deep(torch.randn(4, 3, 80, 80))).square().sum().backward()
    optimizer.step()
    assert not torch.equal(deep.repeat_2[2].conv2d.weight, before), "the new block learns"


def test_further_layers_change_nothing_until_they_are_trained() -> None:
    plain = InceptionResnetV1(16, 0.25, repeats=(1, 1, 1)).eval()
    additions = Additions(fine_blocks=2, local_17=8, local_35=4)
    richer = InceptionResnetV1(16, 0.25, repeats=(1, 1, 1), additions=additions, size=80).eval()
    load_smaller(richer, plain.state_dict())
    crops = torch.randn(2, 3, 80, 80)
    assert torch.allclose(richer(crops), plain(crops), atol=1e-6)

    pooled = plain.last_linear.in_features
    richer.freeze_stem()
    richer.train()
    optimizer = torch.optim.SGD([w for w in richer.parameters() if w.requires_grad], 0.1)
    for _ in range(2):  # zeros hide the layers before them from the first gradient
        optimizer.zero_grad()
        loss = (richer(torch.randn(4, 3, 80, 80)) - richer(torch.randn(4, 3, 80, 80))).square()
        loss.sum().backward()
        optimizer.step()
    assert richer.last_linear.weight[:, pooled:].abs().max() > 0, "local features count"
    reduce = richer.local_17.reduce
    assert reduce is not None
    assert reduce.conv.weight.grad is not None
    assert reduce.conv.weight.grad.abs().max() > 0
    assert richer.repeat_0[1].conv2d.weight.abs().max() > 0
    assert richer.conv2d_2b.conv.weight.grad is None, "the stem is frozen"

    again = InceptionResnetV1(16, 0.25, repeats=(1, 1, 1), additions=additions, size=80).eval()
    load_smaller(again, richer.state_dict())
    assert torch.allclose(again(crops), richer.eval()(crops), atol=1e-6)


def test_wider_branches_change_nothing_until_they_are_trained() -> None:
    narrow = InceptionResnetV1(16, 0.25, repeats=(1, 1, 1), additions=Additions(1)).eval()
    additions = Additions(fine_blocks=1, branches_35=24, branches_17=48)
    wide = InceptionResnetV1(16, 0.25, repeats=(1, 2, 1), additions=additions).eval()
    for module in narrow.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # not the initial statistics
            module.running_mean.uniform_(-0.1, 0.1)
            module.weight.data.uniform_(0.5, 1.5)
    load_smaller(wide, narrow.state_dict())
    crops = torch.randn(2, 3, 80, 80)
    assert torch.allclose(wide(crops), narrow(crops), atol=1e-6)

    wide.train()
    optimizer = torch.optim.SGD(wide.parameters(), 0.1)
    for _ in range(2):  # zeros hide the new filters from the first gradient
        optimizer.zero_grad()
        loss = (wide(torch.randn(4, 3, 80, 80)) - wide(torch.randn(4, 3, 80, 80))).square()
        loss.sum().backward()
        optimizer.step()
    old = narrow.repeat_2[0].branch0.conv.weight.shape[0]
    new = wide.repeat_2[0].branch0.conv.weight.grad
    assert new is not None
    assert new[old:].abs().max() > 0, "new filters learn"


@pytest.mark.parametrize("size", [80, 96, 112, 160])
def test_local_features_fit_the_grids_of_their_crop_size(size: int) -> None:
    additions = Additions(local_17=8, local_35=4)
    network = InceptionResnetV1(16, 0.25, repeats=(1, 1, 1), additions=additions, size=size).eval()
    assert network(torch.randn(2, 3, size, size)).shape == (2, 16)


def test_weights_of_another_network_are_refused() -> None:
    deep = InceptionResnetV1(16, 0.25, repeats=(1, 2, 1))
    shallow = InceptionResnetV1(16, 0.25, repeats=(1, 1, 1))
    with pytest.raises(RuntimeError, match=r"repeat_2\.1"):
        load_smaller(shallow, deep.state_dict())
    state = deep.state_dict()
    del state["last_linear.weight"]
    with pytest.raises(RuntimeError, match="last_linear"):
        load_smaller(deep, state)
    with pytest.raises(RuntimeError, match="size mismatch"):
        load_smaller(deep, InceptionResnetV1(32, 0.25, repeats=(1, 2, 1)).state_dict())


@pytest.mark.parametrize("layout", ["channels_last", "contiguous_format"])
def test_a_pointwise_convolution_and_its_gradients_equal_those_of_torch(layout: str) -> None:
    x = torch.randn(4, 24, 5, 5).contiguous(memory_format=getattr(torch, layout)).requires_grad_()
    weight = torch.randn(16, 24, 1, 1, requires_grad=True)
    gradient = torch.randn(4, 16, 5, 5)
    ours, theirs = pointwise(x, weight), functional.conv2d(x, weight)
    assert torch.allclose(ours, theirs, atol=1e-5)
    for mine, other in zip(
        torch.autograd.grad(ours, (x, weight), gradient),
        torch.autograd.grad(theirs, (x, weight), gradient),
        strict=True,
    ):
        assert torch.allclose(mine, other, atol=1e-4)
    library.opcheck(pointwise, (x, weight))


def test_training_and_serving_compute_the_same() -> None:
    """Training multiplies matrices where the exported network convolves."""
    network = InceptionResnetV1(16, 0.25, repeats=(1, 1, 1)).eval()
    crops = torch.randn(2, 3, 80, 80)
    served = network(crops)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.training = True
    assert torch.allclose(network(crops), served, atol=1e-5)
