"""Learners with a softmax over all words, whose cost grows with the vocabulary."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from app.vectors import Matrix
from training.words.checkpoint import Saver, identity, require_identity
from training.words.config import WordConfig
from training.words.contexts import ContextRule, Examples, Ids
from training.words.corpus import sentences


class SkipGramSoftmax(nn.Module):
    """`p(t | c) = exp(w_t . e_c + b_t) / sum_j exp(w_j . e_c + b_j)`.

    A context of several words is the mean of their embeddings.
    """

    def __init__(self, words: int, dimension: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(words, dimension)
        self.output = nn.Linear(dimension, words)
        nn.init.normal_(self.embeddings.weight, std=0.1)
        nn.init.zeros_(self.output.weight)

    def forward(self, contexts: Tensor) -> Tensor:
        return self.output(self.embeddings(contexts).mean(dim=1))


class NeuralLanguageModel(nn.Module):
    """Concatenated context embeddings, a hidden layer and a softmax (Bengio et al. 2003)."""

    def __init__(self, words: int, dimension: int, width: int, hidden: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(words, dimension)
        self.hidden = nn.Linear(width * dimension, hidden)
        self.output = nn.Linear(hidden, words)
        nn.init.normal_(self.embeddings.weight, std=0.1)

    def forward(self, contexts: Tensor) -> Tensor:
        return self.output(torch.tanh(self.hidden(self.embeddings(contexts).flatten(1))))


Report = Callable[[int, float], None]
"""Called with the number of examples and their mean cross-entropy (nats)."""


def learn_softmax(
    ids: Ids, words: int, rule: ContextRule, config: WordConfig, checkpoint: Path, report: Report
) -> tuple[Matrix, nn.Module]:
    """The network's embeddings, shape (words, dimension), and the network.

    Writes `checkpoint` every `save_every` seconds and resumes from it.
    """
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    network: SkipGramSoftmax | NeuralLanguageModel
    if config.objective == "softmax":
        network = SkipGramSoftmax(words, config.dimension)
    else:
        network = NeuralLanguageModel(words, config.dimension, rule.width, config.hidden)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    run = identity(config, ids, words)
    done = _load(checkpoint, network, optimizer, run)
    saver = Saver(checkpoint, config.save_every)
    step = 0
    for epoch in range(config.epochs):
        rng = np.random.default_rng((config.seed, epoch))
        for batch in batches(ids, rule, config.batch, rng):
            step += 1
            if step > done:
                loss = cross_entropy(network, batch)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                report(len(batch), float(loss.detach()))
            if step > done and saver.due():
                _save(saver, network, optimizer, run, step)
    _save(saver, network, optimizer, run, step)
    vectors: Matrix = network.embeddings.weight.detach().numpy()
    return vectors, network


def _load(checkpoint: Path, network: nn.Module, optimizer: torch.optim.Optimizer, run: str) -> int:
    """Load the checkpoint, if there is one. Returns the number of finished batches."""
    if not checkpoint.exists():
        return 0
    stored = torch.load(checkpoint, weights_only=True)
    require_identity(stored["run"], run, checkpoint)
    network.load_state_dict(stored["network"])
    optimizer.load_state_dict(stored["optimizer"])
    return int(stored["step"])


def _save(
    saver: Saver, network: nn.Module, optimizer: torch.optim.Optimizer, run: str, step: int
) -> None:
    content = {
        "run": run,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
    }
    saver.save(lambda file: torch.save(content, file))


def cross_entropy(network: nn.Module, batch: Examples) -> Tensor:
    """Mean cross-entropy over the examples, in nats."""
    contexts = torch.from_numpy(batch.contexts.astype(np.int64))
    return functional.cross_entropy(network(contexts), torch.from_numpy(batch.targets).long())


@torch.inference_mode()
def held_out_entropy(
    network: nn.Module, ids: Ids, rule: ContextRule, config: WordConfig
) -> float | None:
    """Mean cross-entropy on held-out lines, in nats; None if they have no example."""
    rng = np.random.default_rng((config.seed, 99))
    losses, counts = [], []
    for batch in batches(ids, rule, config.batch, rng):
        losses.append(float(cross_entropy(network, batch)))
        counts.append(len(batch))
    return float(np.average(losses, weights=counts)) if counts else None


def batches(ids: Ids, rule: ContextRule, size: int, rng: np.random.Generator) -> Iterator[Examples]:
    """Examples of all sentences in batches of `size`, shuffled within about 16 batches."""
    waiting: list[Examples] = []
    held = 0
    for sentence in sentences(ids):
        waiting.append(rule.examples(sentence, rng))
        held += len(waiting[-1])
        if held >= 16 * size:
            yield from _shuffled(waiting, size, rng)
            waiting, held = [], 0
    if held:
        yield from _shuffled(waiting, size, rng)


def _shuffled(parts: list[Examples], size: int, rng: np.random.Generator) -> Iterator[Examples]:
    contexts = np.concatenate([part.contexts for part in parts])
    targets = np.concatenate([part.targets for part in parts])
    order = rng.permutation(len(targets))
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield Examples(contexts[rows], targets[rows])
