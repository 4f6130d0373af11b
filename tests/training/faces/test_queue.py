"""The queue compares a batch with the most similar embeddings of past steps."""

import pytest

torch = pytest.importorskip("torch", reason="requires the extra `train`")

from training.faces.queue import EmbeddingQueue


def test_only_the_hardest_pairs_count_whichever_network_finds_them_similar() -> None:
    queue = EmbeddingQueue(8)
    student = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    teacher = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    queue.append(student, teacher)
    anchor = torch.tensor([[1.0, 0.0, 0.0]])
    # similarities: student 1, 0, 0; teacher 0, 1, 0
    assert queue.hard_pairs(anchor, anchor, 2).item() == pytest.approx(1.0)
    assert queue.hard_pairs(anchor, anchor, 3).item() == pytest.approx(2.0 / 3.0)


def test_an_empty_queue_adds_nothing_and_a_full_one_forgets_the_oldest() -> None:
    queue = EmbeddingQueue(2)
    axes = torch.eye(4)
    assert queue.hard_pairs(axes, axes, 4).item() == 0.0
    queue.append(axes[:2], axes[2:])
    assert queue.hard_pairs(axes[:1], axes[:1], 1).item() == pytest.approx(1.0)
    queue.append(axes[2:], axes[2:])
    assert queue.hard_pairs(axes[:1], axes[:1], 2).item() == 0.0


def test_gradients_reach_the_batch_but_not_the_past() -> None:
    queue = EmbeddingQueue(4)
    past = torch.eye(2, requires_grad=True)
    queue.append(past, torch.eye(2))
    batch = torch.tensor([[0.6, 0.8]], requires_grad=True)
    queue.hard_pairs(batch, torch.tensor([[1.0, 0.0]]), 2).backward()
    assert batch.grad is not None and batch.grad.abs().sum() > 0
    assert past.grad is None
