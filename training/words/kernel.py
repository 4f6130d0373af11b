"""Skip-gram with negative sampling (Mikolov et al. 2013), compiled by numba.

`p(y = 1 | t, c) = sigma(w_t . e_c + b_t)`. The negatives of a target are shared by all words of
its window (Ji et al. 2016, pWord2Vec), so that they are read once a window, not once a pair. There
may be more of them than k, each with the weight k / number: the same gradient in the mean, with
less noise.
Threads may run the kernel on the same matrices without a lock (Recht et al. 2011, Hogwild).
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import float32, int32, int64, uint64
from numpy.typing import NDArray

_LONGEST = 1_000  # words of a sentence after subsampling; longer lines are cut
_RANGE, _STEPS = 8.0, 4_096  # the sigmoid is read from a table

BLOCK = 6
"""Outputs that are moved together: more of them no longer fit into the registers."""

Kernel = Callable[..., tuple[float, int]]

_compiled = numba.njit(nogil=True, fastmath=True, boundscheck=False, error_model="numpy")


def sigmoid_table() -> NDArray[np.float32]:
    """Values of the sigmoid from -8 to 8."""
    x = np.linspace(-_RANGE, _RANGE, _STEPS)
    return (1.0 / (1.0 + np.exp(-x))).astype(np.float32)


@_compiled
def _random(state: Any) -> Any:
    """Knuth's linear congruential generator; its upper bits are good enough to draw words."""
    state[0] = state[0] * uint64(6364136223846793005) + uint64(1442695040888963407)
    return state[0]


@_compiled
def _read_sentence(ids: Any, at: int, stop: int, keep: Any, state: Any, out: Any) -> Any:
    """Copy the words that survive subsampling until the line ends; the new place, the length."""
    length = 0
    while at < stop and length < _LONGEST:
        word = ids[at]
        at += 1
        if word < 0:
            break
        if float32(_random(state) >> uint64(40)) * float32(2.0**-24) < keep[word]:
            out[length] = word
            length += 1
    return at, length


@_compiled
def _draw_negatives(drawn: Any, probability: Any, alias: Any, state: Any) -> None:
    """Fill `drawn[1:]` with words other than `drawn[0]`, by Walker's alias method."""
    words = uint64(len(alias))
    for m in range(1, len(drawn)):
        other = drawn[0]
        while other == drawn[0]:
            bits = _random(state)
            slot = int64((bits >> uint64(32)) * words >> uint64(32))
            part = float32((bits >> uint64(8)) & uint64(0xFFFFFF)) * float32(2.0**-24)
            other = int32(slot) if part < probability[slot] else alias[slot]
        drawn[m] = other


def _make_window(dimension: int, outputs: int, weight: float) -> Callable[..., float]:  # noqa: C901 - nested loops
    """The update of one window; sizes are constants, so that the compiler unrolls over them."""
    scale = (_STEPS - 1) / (2 * _RANGE)
    share = np.float32(weight)
    in_block = min(outputs, BLOCK)

    @_compiled
    def errors(vector: Any, rows: Any, drawn: Any, bias: Any, sigmoid: Any, out: Any) -> float:
        """`y - p` of one context word with the target (m = 0, y = 1) and each negative (y = 0)."""
        total = 0.0
        for m in range(outputs):
            dot = bias[drawn[m]]
            for d in range(dimension):
                dot += vector[d] * rows[m, d]
            dot = min(max(dot, float32(-_RANGE)), float32(_RANGE))
            said = sigmoid[int64((dot + float32(_RANGE)) * float32(scale))]
            out[m] = (float32(1.0) if m == 0 else float32(0.0)) - said
            total += abs(out[m])
        return total

    @_compiled
    def move(vector: Any, old: Any, error: Any, rows: Any, change: Any) -> None:
        """Some outputs pull at the context word; what it does to them is kept in `change`."""
        for d in range(dimension):
            pull = float32(0.0)
            for m in range(in_block):
                pull += error[m] * rows[m, d]
                change[m, d] += error[m] * old[d]
            vector[d] += pull

    @_compiled
    def learn_window(  # noqa: C901 - nested loops, which the compiler unrolls only in one place
        near: Any, drawn: Any, matrices: Any, rows: Any, change: Any, sigmoid: Any, step: Any
    ) -> float:
        source, target, bias = matrices
        error, old = np.empty(outputs, np.float32), np.empty(dimension, np.float32)
        total = 0.0
        for m in range(outputs):
            for d in range(dimension):
                rows[m, d] = target[drawn[m], d]
                change[m, d] = float32(0.0)
        for word in near:
            vector = source[word]
            total += errors(vector, rows, drawn, bias, sigmoid, error)
            for m in range(outputs):
                error[m] *= step if m == 0 else step * share
                bias[drawn[m]] += error[m]
            for d in range(dimension):
                old[d] = vector[d]
            for block in range(outputs // in_block):
                first = block * in_block
                for d in range(dimension):
                    value = old[d]
                    pull = float32(0.0)
                    for m in range(in_block):
                        pull += error[first + m] * rows[first + m, d]
                        change[first + m, d] += error[first + m] * value
                    vector[d] += pull
        for m in range(outputs):
            for d in range(dimension):
                target[drawn[m], d] += change[m, d]
        return total

    return learn_window


def make_kernel(dimension: int, negatives: int, window: int, shared: int) -> Kernel:
    """The loop over `ids[start:stop]` for these sizes; `shared` negatives stand for `negatives`.

    It returns the sum of `|y - p|` over all pairs and their number; it holds no interpreter lock.
    """
    assert shared < BLOCK or (shared + 1) % BLOCK == 0, "outputs fill whole blocks"
    outputs = shared + 1
    learn_window = _make_window(dimension, outputs, negatives / shared)

    @_compiled
    def kernel(
        ids: Any,
        span: Any,
        matrices: Any,
        keep: Any,
        noise: Any,
        sigmoid: Any,
        rate: Any,
        seed: Any,
    ) -> Any:
        state = np.empty(1, np.uint64)
        state[0] = uint64(seed * 2 + 1)
        probability, alias = noise
        sentence = np.empty(_LONGEST, np.int32)
        near = np.empty(2 * window, np.int32)
        drawn = np.empty(outputs, np.int32)
        rows = np.empty((outputs, dimension), np.float32)
        change = np.empty((outputs, dimension), np.float32)
        error, pairs = 0.0, 0
        at, stop = span
        while at < stop:
            at, length = _read_sentence(ids, at, stop, keep, state, sentence)
            for centre in range(length):
                reach = 1 + int64((_random(state) >> uint64(33)) % uint64(window))
                found = 0
                for place in range(max(0, centre - reach), min(length, centre + reach + 1)):
                    if place != centre:
                        near[found] = sentence[place]
                        found += 1
                if found == 0:
                    continue
                drawn[0] = sentence[centre]
                _draw_negatives(drawn, probability, alias, state)
                error += learn_window(
                    near[:found], drawn, matrices, rows, change, sigmoid, float32(rate)
                )
                pairs += found * outputs
        return error, pairs

    return kernel
