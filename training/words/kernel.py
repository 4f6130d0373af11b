"""Skip-gram with negative sampling (Mikolov et al. 2013), compiled by numba.

`p(y = 1 | t, c) = sigma(w_t . e_c + b_t)`. The negatives of a target are shared by all words of
its window (Ji et al. 2016, pWord2Vec), so that they are read once per window, not once per pair.
There may be more of them than k, each with the weight k / number, which has the same expected
gradient with less noise. Threads may run the kernel on the same matrices without a lock (Recht et
al. 2011, Hogwild).
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import float32, int32, int64, types, uint64
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

_LINE = 16  # floats in a cache line
_LONGEST = 1_000  # words of a sentence after subsampling; longer lines are split
_RANGE, _STEPS = 8.0, 4_096  # range and size of the sigmoid table

BLOCK = 6
"""Number of outputs computed together; more do not fit into the registers."""

_BIAS_RATE = 0.1
"""Learning rate of the biases relative to the vectors'; measured in training/LOG.md."""

Kernel = Callable[..., tuple[float, int]]

_compiled = numba.njit(nogil=True, fastmath=True, boundscheck=False, error_model="numpy")


def sigmoid_table() -> NDArray[np.float32]:
    """The sigmoid at 4,096 points from -8 to 8."""
    x = np.linspace(-_RANGE, _RANGE, _STEPS)
    return (1.0 / (1.0 + np.exp(-x))).astype(np.float32)


@_compiled
def _random(state: Any) -> Any:
    """Knuth's linear congruential generator; only its upper bits are random enough to use."""
    state[0] = state[0] * uint64(6364136223846793005) + uint64(1442695040888963407)
    return state[0]


@_compiled
def _read_sentence(ids: Any, at: int, stop: int, keep: Any, state: Any, out: Any) -> Any:
    """Copy the subsampled words of one line to `out`. Returns the next position and the length."""
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


@intrinsic
def _prefetch(_typing: Any, array: Any, place: Any) -> Any:
    """Prefetch the cache line of a flat position in a C-ordered array."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        shown = context.make_array(signature.args[0])(context, builder, value=arguments[0])
        byte = ir.IntType(8).as_pointer()
        line = builder.bitcast(builder.gep(shown.data, [arguments[1]]), byte)
        number = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0i8")
        builder.call(function, [line, number(0), number(3), number(1)])  # read, keep, data
        return context.get_dummy_value()

    return types.void(array, place), emit


@_compiled
def _draw_negatives(drawn: Any, probability: Any, alias: Any, state: Any) -> None:
    """Fill `drawn` with random words by Walker's alias method."""
    words = uint64(len(alias))
    for m in range(len(drawn)):
        bits = _random(state)
        slot = int64((bits >> uint64(32)) * words >> uint64(32))
        part = float32((bits >> uint64(8)) & uint64(0xFFFFFF)) * float32(2.0**-24)
        drawn[m] = int32(slot) if part < probability[slot] else alias[slot]


@_compiled
def _prefetch_rows(drawn: Any, target: Any) -> None:
    """Prefetch the rows of `drawn` in `target`."""
    dimension = target.shape[1]
    for word in drawn:
        for d in range(0, dimension, _LINE):
            _prefetch(target, int64(word) * dimension + d)


def _make_errors(dimension: int, outputs: int) -> Callable[..., float]:
    """Function for `y - p` of a context word and each output: the target is m = 0, with y = 1."""
    scale = (_STEPS - 1) / (2 * _RANGE)
    whole = outputs - outputs % BLOCK

    @_compiled
    def errors(vector: Any, rows: Any, drawn: Any, bias: Any, sigmoid: Any, out: Any) -> float:
        total = 0.0
        for first in range(0, whole, BLOCK):
            d0 = d1 = d2 = d3 = d4 = d5 = float32(0.0)  # an array would not be kept in registers
            for d in range(dimension):
                value = vector[d]
                d0 += value * rows[first, d]
                d1 += value * rows[first + 1, d]
                d2 += value * rows[first + 2, d]
                d3 += value * rows[first + 3, d]
                d4 += value * rows[first + 4, d]
                d5 += value * rows[first + 5, d]
            out[first], out[first + 1], out[first + 2] = d0, d1, d2
            out[first + 3], out[first + 4], out[first + 5] = d3, d4, d5
        for m in range(whole, outputs):
            product = float32(0.0)
            for d in range(dimension):
                product += vector[d] * rows[m, d]
            out[m] = product
        for m in range(outputs):
            dot = min(max(out[m] + bias[m], float32(-_RANGE)), float32(_RANGE))
            predicted = sigmoid[int64((dot + float32(_RANGE)) * float32(scale))]
            out[m] = (float32(1.0) if m == 0 else float32(0.0)) - predicted
            if m > 0 and drawn[m] == drawn[0]:  # a negative equal to the target
                out[m] = float32(0.0)
            total += abs(out[m])
        return total

    return errors


def _make_window(  # noqa: C901 - split functions are not inlined: half the speed
    dimension: int, outputs: int, weight: float
) -> Callable[..., float]:
    """Function for the update of one window; sizes are constants, so that loops are unrolled.

    Source vectors are updated immediately, target vectors and biases at the end of the window.
    """
    share, bias_share = np.float32(weight), np.float32(_BIAS_RATE)
    in_block = min(outputs, BLOCK)
    last = outputs - in_block
    errors = _make_errors(dimension, outputs)

    @_compiled
    def learn_window(
        near: Any, drawn: Any, matrices: Any, buffers: Any, sigmoid: Any, step: Any
    ) -> float:
        source, target, bias = matrices
        rows, change, pulled, offset, moved, error = buffers
        total = 0.0
        for m in range(outputs):
            rows[m] = target[drawn[m]]
            change[m] = float32(0.0)
            offset[m] = bias[drawn[m]]
            moved[m] = float32(0.0)
        for word in near:
            vector = source[word]
            total += errors(vector, rows, drawn, offset, sigmoid, error)
            for m in range(outputs):
                error[m] *= step if m == 0 else step * share
                moved[m] += error[m] * bias_share
            for first in range(0, last, in_block):
                for d in range(dimension):
                    pull = pulled[d] if first > 0 else float32(0.0)
                    for m in range(in_block):
                        pull += error[first + m] * rows[first + m, d]
                        change[first + m, d] += error[first + m] * vector[d]
                    pulled[d] = pull
            for d in range(dimension):
                pull = pulled[d] if last > 0 else float32(0.0)
                for m in range(in_block):
                    pull += error[last + m] * rows[last + m, d]
                    change[last + m, d] += error[last + m] * vector[d]
                vector[d] += pull
        for m in range(outputs):
            target[drawn[m]] += change[m]
            bias[drawn[m]] += moved[m]
        return total

    return learn_window


def make_kernel(dimension: int, negatives: int, window: int, shared: int) -> Kernel:
    """Compile the loop over `ids[start:stop]` for these sizes.

    `shared` negatives per window replace `negatives` per pair. The kernel returns the sum of
    `|y - p|` over all pairs and the number of pairs; it releases the global interpreter lock.
    """
    assert shared < BLOCK or (shared + 1) % BLOCK == 0, "outputs must fill whole blocks"
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
        source, target, _ = matrices
        sentence = np.empty(_LONGEST, np.int32)
        near = np.empty(2 * window, np.int32)
        drawn = np.empty(outputs, np.int32)
        rows = np.empty((outputs, dimension), np.float32)
        change = np.empty((outputs, dimension), np.float32)
        small = np.empty((3, outputs), np.float32)
        pulled = np.empty(dimension, np.float32)
        buffers = (rows, change, pulled, small[0], small[1], small[2])
        error, pairs = 0.0, 0
        following = np.empty(outputs - 1, np.int32)  # negatives of the next window
        _draw_negatives(following, probability, alias, state)
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
                drawn[1:] = following
                _draw_negatives(following, probability, alias, state)
                _prefetch_rows(following, target)
                _prefetch_rows(sentence[centre + 1 : min(centre + 2, length)], target)
                ahead = min(centre + window + 1, length)
                _prefetch_rows(sentence[ahead : min(ahead + 1, length)], source)
                error += learn_window(
                    near[:found], drawn, matrices, buffers, sigmoid, float32(rate)
                )
                pairs += found * outputs
        return error, pairs

    return kernel
