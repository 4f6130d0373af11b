"""Remembers the embeddings of past steps, so that a batch is compared with more faces than it has.

The pairs that set a threshold are the most similar ones of many thousands of strangers; among the
2,016 pairs of a batch of 64 there are hardly any. A queue of past embeddings (He et al. 2020, MoCo)
supplies them at the cost of one matrix product.
"""

import torch
from torch import Tensor


class EmbeddingQueue:
    """The last `size` embeddings of the student (as of their step) and of the teacher."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._student: Tensor | None = None
        self._teacher: Tensor | None = None

    def hard_pairs(self, student: Tensor, teacher: Tensor, hardest: int) -> Tensor:
        """Mean squared difference between the similarities of student and teacher; a scalar.

        Each row of `student` (n, dimension) is paired with the `hardest` embeddings of the queue
        that either of the two networks finds most similar to it. 0 while the queue is empty.
        Gradients reach the rows of `student`, not the queue.
        """
        if self._student is None or self._teacher is None:
            return student.new_zeros(())
        ours, theirs = student @ self._student.T, teacher @ self._teacher.T
        count = min(hardest, len(self._student))
        chosen = torch.maximum(ours.detach(), theirs).topk(count, dim=1).indices
        return (ours.gather(1, chosen) - theirs.gather(1, chosen)).square().mean()

    def append(self, student: Tensor, teacher: Tensor) -> None:
        """Add the embeddings of a step; the oldest are dropped beyond `size`."""
        self._student = self._joined(self._student, student.detach())
        self._teacher = self._joined(self._teacher, teacher)

    def _joined(self, stored: Tensor | None, new: Tensor) -> Tensor:
        return (new if stored is None else torch.cat([stored, new]))[-self._size :]
