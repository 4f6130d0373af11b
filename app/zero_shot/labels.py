"""Labels as vectors, made once for each vocabulary."""

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from app.errors import InvalidRequest
from app.texts.space import Label, TextSpace, TokenVectors
from app.zero_shot.matching import LabelSet, LabelVectors, Scores, stack, standardised

_KEPT_BYTES = 64_000_000
_MOST_CHARACTERS = 400_000
_MOST_NUMBERS = 10_000_000  # in the vectors of all labels of a request

_Ready = tuple[LabelVectors, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ReadyLabels:
    """Labels to compare with. `owners` says whose alternative each row of `vectors` is, rising;
    `unknown` are the words of each label that have no vector."""

    vectors: LabelSet
    owners: NDArray[np.int64]
    unknown: tuple[tuple[str, ...], ...]

    def best_of(self, scores: Scores) -> Scores:
        """A label scores what its best alternative does; shape (labels,)."""
        starts = np.flatnonzero(np.diff(self.owners, prepend=-1))
        found: Scores = np.maximum.reduceat(scores, starts)
        return found


class LabelCache:
    """Label vectors by space, version and what the label says; the least used ones go."""

    def __init__(self) -> None:
        self._known: LRUCache[Hashable, _Ready] = LRUCache(_KEPT_BYTES, _size)
        self._guard = threading.Lock()

    def ready(
        self,
        space: TextSpace,
        labels: Sequence[Label],
        background: Sequence[TokenVectors] | None = None,
    ) -> ReadyLabels:
        """Vectors of all labels and their alternatives.

        With a `background` of the caller's own nothing is kept. Raises InvalidRequest for a label
        of which no word is known, and for too many words.
        """
        flat = [(row, one) for row, label in enumerate(labels) for one in label.alternatives()]
        digest, version = space.space.digest, space.version
        keys = [(digest, version, one.key()) for _, one in flat]
        found = {} if background is not None else self._those(keys)
        missing = [number for number, key in enumerate(keys) if key not in found]
        made = _make(space, [flat[number][1] for number in missing], background)
        found |= {keys[number]: one for number, one in zip(missing, made, strict=True)}
        if background is None:
            self._keep({keys[number]: found[keys[number]] for number in missing})
        vectors = [found[key][0] for key in keys]
        if sum(one.rows.size for one in vectors) > _MOST_NUMBERS:
            raise InvalidRequest("labels", "they have too many words together")
        owners = np.array([row for row, _ in flat], dtype=np.int64)
        unknown: list[tuple[str, ...]] = [() for _ in labels]
        for (row, _), key in zip(flat, keys, strict=True):
            unknown[row] += found[key][1]
        return ReadyLabels(stack(vectors), owners, tuple(unknown))

    def _keep(self, made: Mapping[Hashable, _Ready]) -> None:
        with self._guard:
            for key, ready in made.items():
                if _size(ready) < _KEPT_BYTES // 10:
                    self._known[key] = ready

    def _those(self, keys: Sequence[Hashable]) -> dict[Hashable, _Ready]:
        with self._guard:
            return {key: self._known[key] for key in keys if key in self._known}


def _size(ready: _Ready) -> int:
    """Bytes, as far as they count."""
    vectors, unknown = ready
    return 2 * vectors.rows.nbytes + sum(len(word) for word in unknown) + 1_000


def _make(
    space: TextSpace, labels: Sequence[Label], background: Sequence[TokenVectors] | None
) -> list[_Ready]:
    if not labels:
        return []
    said = sum(len(label.description) + 10 * len(label.keywords) for label in labels)
    if said > _MOST_CHARACTERS:  # before a vector is looked up
        raise InvalidRequest("labels", f"they say more than {_MOST_CHARACTERS:,} characters")
    bags = space.labels(labels)
    for label, bag in zip(labels, bags, strict=True):
        if not len(bag.tokens):
            raise InvalidRequest("labels", f"no word of the label {label.name[:80]!r} is known")
    if background is None:
        vectors = standardised(bags, space.background(), space.chance)
    else:
        vectors = standardised(bags, background, None)
    return [(one, bag.unknown) for one, bag in zip(vectors, bags, strict=True)]
