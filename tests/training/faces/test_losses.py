"""Losses on vectors that can be checked by hand."""

import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from training.faces import losses


def test_triplet_loss_by_hand() -> None:
    a = torch.tensor([[1.0, 0.0]])
    p = torch.tensor([[0.0, 1.0]])  # d(A, P) = 2
    n = torch.tensor([[-1.0, 0.0]])  # d(A, N) = 4
    assert losses.triplet_loss(a, p, n, margin=0.2).item() == 0.0
    assert losses.triplet_loss(a, p, n, margin=2.5).item() == pytest.approx(0.5)
    assert losses.triplet_loss(a, n, p, margin=0.2).item() == pytest.approx(2.2)


def test_pair_loss_by_hand() -> None:
    a = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    b = torch.tensor([[3.0, 0.0], [0.5, 0.0], [3.0, 0.0]])
    same = torch.tensor([True, False, False])
    assert losses.pair_loss(a, b, same, margin=1.0).item() == pytest.approx((9 + 0.25 + 0) / 3)


def test_only_relational_distillation_ignores_a_rotation_of_the_space() -> None:
    teacher = torch.nn.functional.normalize(torch.randn(8, 16), dim=1)
    rotated = teacher @ torch.linalg.qr(torch.randn(16, 16))[0]
    assert losses.direct_distillation(teacher, teacher).item() == pytest.approx(0.0, abs=1e-6)
    assert losses.relational_distillation(rotated, teacher).item() < 1e-10
    assert losses.direct_distillation(rotated, teacher).item() > 0.1
