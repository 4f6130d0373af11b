"""Embeds labels and caches their vectors."""

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from app.errors import InvalidRequest
from app.texts.space import Label, TextSpace, TokenVectors
from app.zero_shot.matching import LabelSet, LabelVectors, Scores, stack, standardise
from app.zero_shot.work import Amount, label_work, require_affordable

_CACHE_BYTES = 64_000_000
_MAX_ENTRY_BYTES = _CACHE_BYTES // 10
_MAX_ALTERNATIVES = 10_000  # of the labels of a request
_MAX_CHARACTERS = 400_000  # of the labels of a request; a description counts for each alternative
_MAX_COMPONENTS = 10_000_000  # of the vectors of all labels of a request


@dataclass(frozen=True, slots=True)
class _CachedLabel:
    vectors: LabelVectors
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmbeddedLabels:
    """The vectors of labels and their alternatives.

    `owners` is the label of each row of `vectors`, ascending; `unknown` has the words of each
    label that have no vector.
    """

    vectors: LabelSet
    owners: NDArray[np.int64]
    unknown: tuple[tuple[str, ...], ...]

    def first_rows(self) -> NDArray[np.int64]:
        """The row of the first alternative of each label, shape (labels,)."""
        return np.flatnonzero(np.diff(self.owners, prepend=-1))

    def best_alternatives(self, scores: Scores) -> Scores:
        """The score of each label's best alternative, shape (labels,), from scores of rows."""
        best: Scores = np.maximum.reduceat(scores, self.first_rows())
        return best


class LabelEmbedder:
    """Embeds labels; caches the vectors by space, version and content of the label.

    Thread-safe. The cache evicts the least recently used labels.
    """

    def __init__(self) -> None:
        self._cache: LRUCache[Hashable, _CachedLabel] = LRUCache(_CACHE_BYTES, _size)
        self._lock = threading.Lock()

    def embed(
        self,
        space: TextSpace,
        labels: Sequence[Label],
        background: Sequence[TokenVectors] | None = None,
    ) -> EmbeddedLabels:
        """The vectors of all labels and their alternatives.

        `background` replaces the background texts of the space; the result is then not cached.
        Raises InvalidRequest for a label without a known word, and for too many words.
        """
        _require_affordable(labels)
        flat = [(row, one) for row, label in enumerate(labels) for one in label.alternatives()]
        digest, version = space.space.digest, space.version
        keys: list[Hashable] = [(digest, version, one.key()) for _, one in flat]
        cached = {} if background is not None else self._get(keys)
        missing = [number for number, key in enumerate(keys) if key not in cached]
        embedded = _embed(space, [flat[number][1] for number in missing], background)
        new = {keys[number]: label for number, label in zip(missing, embedded, strict=True)}
        if background is None:
            self._put(new)
        known = cached | new
        found = [known[key] for key in keys]
        components = sum(label.vectors.rows.size for label in found)
        if components > _MAX_COMPONENTS:
            raise InvalidRequest(
                "labels",
                f"the words of the labels have {components:,} vector components together; "
                f"at most {_MAX_COMPONENTS:,} are allowed",
            )
        unknown: list[tuple[str, ...]] = [() for _ in labels]
        for (row, _), label in zip(flat, found, strict=True):
            unknown[row] += label.unknown
        owners = np.array([row for row, _ in flat], dtype=np.int64)
        return EmbeddedLabels(stack([label.vectors for label in found]), owners, tuple(unknown))

    def _put(self, new: Mapping[Hashable, _CachedLabel]) -> None:
        with self._lock:
            for key, label in new.items():
                if _size(label) < _MAX_ENTRY_BYTES:
                    self._cache[key] = label

    def _get(self, keys: Sequence[Hashable]) -> dict[Hashable, _CachedLabel]:
        with self._lock:
            return {key: self._cache[key] for key in keys if key in self._cache}


def _size(label: _CachedLabel) -> int:
    """Approximate size in bytes."""
    return 2 * label.vectors.rows.nbytes + sum(len(word) for word in label.unknown) + 1_000


def _require_affordable(labels: Sequence[Label]) -> None:
    """Raises InvalidRequest for too many alternatives or characters, before they are read."""
    alternatives = sum(label.name.count("/") + 1 for label in labels)
    if alternatives > _MAX_ALTERNATIVES:
        raise InvalidRequest(
            "labels",
            f"the labels have {alternatives:,} names between slashes; at most "
            f"{_MAX_ALTERNATIVES:,} are allowed",
        )
    characters = sum(_characters(label) for label in labels)
    if characters > _MAX_CHARACTERS:
        raise InvalidRequest(
            "labels",
            f"names, descriptions, keywords and attributes have {characters:,} characters "
            f"together; at most {_MAX_CHARACTERS:,} are allowed",
        )


def _characters(label: Label) -> int:
    repeated = len(label.description) + sum(map(len, (*label.keywords, *label.attributes)))
    return len(label.name) + repeated * (label.name.count("/") + 1)


def _embed(
    space: TextSpace, labels: Sequence[Label], background: Sequence[TokenVectors] | None
) -> list[_CachedLabel]:
    if not labels:
        return []
    amount = Amount.of_tokens(background) if background is not None else None
    require_affordable(label_work(space, Amount.of_labels(labels), amount))
    tokens = space.labels(labels)
    for label, label_tokens in zip(labels, tokens, strict=True):
        if not len(label_tokens):
            raise InvalidRequest(
                "labels", f"no word of the label {label.name[:80]!r} is in the vocabulary"
            )
    if background is None:
        vectors = standardise(tokens, space.background(), space.background_fit)
    else:
        vectors = standardise(tokens, background, None)
    return [
        _CachedLabel(label, label_tokens.unknown)
        for label, label_tokens in zip(vectors, tokens, strict=True)
    ]
