"""What a service does at its default settings to people that no training used."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.errors import TooFewPeople
from app.faces.decisions.gallery_table import measure_gallery
from app.faces.decisions.normalisation import NoNormalisation
from app.faces.decisions.policy import DecisionPolicy
from app.faces.decisions.scores import LabelledFaces
from app.faces.decisions.search_thresholds import SEARCHED, SearchThresholds, resemblance_of
from app.faces.decisions.thresholds import Thresholds
from app.vectors import Matrix

_FMR, _FPIR = 1e-3, 1e-2  # the defaults of app.settings
_GALLERIES = (40, 300, 1_000)
_SHARES = ("found", "wrong", "strangers", "noticed", "strangers_noticed")
_DRAWS = 20  # galleries drawn per size, for a stable mean


@dataclass(frozen=True, slots=True)
class GalleryResult:
    """Shares over random galleries with one photo per person, at the default rates.

    `labelled` of the `people` have further photos, the probes; the others fill the gallery.
    `found` and `wrong` are shares of probes of enrolled people: matched with the right person, with
    another one. `strangers` is the share of people outside the gallery who match somebody. The
    duplicate check has the same rate: it refuses `found + wrong` of people who are enrolled again,
    and `strangers` of the new ones. `noticed` and `strangers_noticed` are the shares for whom
    `possible_duplicate` or the refusal names somebody, the right person for `noticed`.
    `calibrated_found` and `calibrated_strangers` are the shares after `sima collections calibrate`;
    None for galleries with too few people for it.
    """

    people: int
    labelled: int
    probes: int
    found: float
    wrong: float
    strangers: float
    noticed: float
    strangers_noticed: float
    calibrated_found: float | None
    calibrated_strangers: float | None


@dataclass(frozen=True, slots=True)
class Defaults:
    """`refused` is the share of genuine pairs below their threshold at an FMR of 0.001."""

    genuine_pairs: int
    refused: float
    galleries: tuple[GalleryResult, ...]


@dataclass(frozen=True, slots=True)
class _Faces:
    """Embeddings (n, dimension) with their corrections (n,) and the names of the people (n,)."""

    embeddings: Matrix
    off: NDArray[np.float32]
    identity: NDArray[np.str_]


def measure_defaults(
    policy: DecisionPolicy,
    embeddings: Matrix,
    identity: NDArray[np.str_],
    others: Matrix | None = None,
    seed: int = 0,
) -> Defaults:
    """Measure verification and identification; `identity` (n,) names the person of each face.

    `others` are faces of further people, one each, who fill galleries that are larger than three
    quarters of the people with several photos.
    """
    if others is None:
        others = np.empty((0, embeddings.shape[1]), dtype=np.float32)
    named = _Faces(embeddings, policy.corrections(embeddings), identity)
    fillers = _Faces(others, policy.corrections(others), np.full(len(others), ""))
    pairs, refused = _verification(policy, named)
    names, counts = np.unique(identity, return_counts=True)
    several = names[counts >= 2]
    most = len(several) * 3 // 4
    rng = np.random.default_rng(seed)
    galleries = [
        _galleries(policy, named, several, fillers, _Size(size, min(size, most)), rng)
        for size in sorted({min(size, most + len(others)) for size in _GALLERIES})
    ]
    return Defaults(pairs, refused, tuple(galleries))


def _verification(policy: DecisionPolicy, faces: _Faces) -> tuple[int, float]:
    """The number of genuine pairs, and the share of them that is refused."""
    first, second = _genuine_pairs(faces.identity)
    cosines = (faces.embeddings[first] * faces.embeddings[second]).sum(axis=1)
    scores = cosines - faces.off[first] - faces.off[second]
    return len(first), float((scores < policy.for_fmr(_FMR).threshold).mean())


class _Size(NamedTuple):
    """People in a gallery, and how many of them have further photos."""

    people: int
    labelled: int


def _galleries(
    policy: DecisionPolicy,
    named: _Faces,
    several: NDArray[np.str_],
    fillers: _Faces,
    size: _Size,
    rng: np.random.Generator,
) -> GalleryResult:
    """Mean shares over random galleries; `several` names the people with several photos."""
    draws = []
    for _ in range(_DRAWS):
        enrolled = rng.choice(several, size.labelled, replace=False)
        filling = rng.choice(len(fillers.identity), size.people - size.labelled, replace=False)
        draws.append(_draw(policy, named, enrolled, _take(fillers, filling), rng))
    probes = sum(draw.probes for draw in draws)
    shares = {name: float(np.mean([getattr(draw, name) for draw in draws])) for name in _SHARES}
    own = [draw.calibrated for draw in draws if draw.calibrated is not None]
    found, strangers = np.mean(own, axis=0).tolist() if own else (None, None)
    return GalleryResult(
        size.people,
        size.labelled,
        probes,
        **shares,
        calibrated_found=found,
        calibrated_strangers=strangers,
    )


class _Draw(NamedTuple):
    """The shares of GalleryResult for one gallery; `calibrated` are found and strangers."""

    found: float
    wrong: float
    strangers: float
    noticed: float
    strangers_noticed: float
    calibrated: tuple[float, float] | None
    probes: int


def _draw(
    policy: DecisionPolicy,
    named: _Faces,
    enrolled: NDArray[np.str_],
    fillers: _Faces,
    rng: np.random.Generator,
) -> _Draw:
    order = rng.permutation(len(named.identity))
    is_enrolled = np.isin(named.identity[order], enrolled)
    _, place = np.unique(named.identity[order[is_enrolled]], return_index=True)
    support = order[is_enrolled][place]
    probes = np.setdiff1d(order[is_enrolled], support)
    gallery = _joined(_take(named, support), fillers)
    known = _search(_take(named, probes), gallery)
    new = _search(_take(named, order[~is_enrolled]), gallery)
    right = gallery.identity[known.best] == named.identity[probes]
    people = len(gallery.identity)
    known_matches, new_matches = _matches(policy, known, people), _matches(policy, new, people)
    verified = policy.for_fmr(_FMR).threshold
    own = _own_policy(policy, gallery)
    calibrated = None
    if own is not None:
        found, strangers = _matches(own, known, people), _matches(own, new, people)
        calibrated = float((right & found).mean()), float(strangers.mean())
    return _Draw(
        found=float((right & known_matches).mean()),
        wrong=float((~right & known_matches).mean()),
        strangers=float(new_matches.mean()),
        noticed=float((right & (known_matches | (known.score >= verified))).mean()),
        strangers_noticed=float((new_matches | (new.score >= verified)).mean()),
        calibrated=calibrated,
        probes=len(probes),
    )


def _own_policy(policy: DecisionPolicy, gallery: _Faces) -> DecisionPolicy | None:
    """The decisions after `sima collections calibrate`; None for too few people.

    Without score normalisation: corrections are part of the scores here.
    """
    people = len(gallery.identity)
    faces = LabelledFaces(
        gallery.embeddings,
        np.arange(people).astype(np.str_),
        np.full(people, ""),
        gallery.off,
    )
    try:
        table = measure_gallery(faces, "the gallery", "", policy.thresholds).table
    except TooFewPeople:
        return None
    thresholds = Thresholds(table.calibration)
    search = None
    if table.search is not None:
        search = SearchThresholds(table.search, thresholds, policy.search)
    return DecisionPolicy(thresholds, NoNormalisation(), search)


def _take(faces: _Faces, rows: NDArray[np.int64]) -> _Faces:
    return _Faces(faces.embeddings[rows], faces.off[rows], faces.identity[rows])


def _joined(first: _Faces, second: _Faces) -> _Faces:
    return _Faces(
        np.concatenate([first.embeddings, second.embeddings]),
        np.concatenate([first.off, second.off]),
        np.concatenate([first.identity, second.identity]),
    )


@dataclass(frozen=True, slots=True)
class _Nearest:
    """Of each probe the row of the best person, the score, and the resemblances, None for too few
    people: its own, and that of the person found."""

    best: NDArray[np.int64]
    score: NDArray[np.float32]
    of_probes: list[float | None]
    of_templates: list[float | None]


def _search(probes: _Faces, gallery: _Faces) -> _Nearest:
    scores, within = _scores(probes, gallery), _scores(gallery, gallery)
    best, of_gallery = scores.argmax(axis=1), _resemblances(within)
    found = [of_gallery[row] for row in best.tolist()]
    return _Nearest(best, scores.max(axis=1), _resemblances(scores), found)


def _scores(faces: _Faces, others: _Faces) -> Matrix:
    scores: Matrix = faces.embeddings @ others.embeddings.T
    return scores - faces.off[:, None] - others.off[None]


def _resemblances(scores: Matrix) -> list[float | None]:
    count = min(SEARCHED, scores.shape[1])
    best = -np.sort(-np.partition(scores, -count, axis=1)[:, -count:], axis=1)
    return [resemblance_of(row) for row in best.tolist()]


def _matches(policy: DecisionPolicy, found: _Nearest, people: int) -> NDArray[np.bool_]:
    """Whether each probe matches the best person, by the rules of /identify."""
    limit, needed = policy.for_search(_FPIR, people), []
    for both in zip(found.of_probes, found.of_templates, strict=True):
        own, resemblance = policy.searched(limit, people, both if limit.of_templates else both[:1])
        needed.append(own.threshold + resemblance)
    return found.score >= np.array(needed)


def _genuine_pairs(identity: NDArray[np.str_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, second = np.triu_indices(len(identity), 1)
    same = identity[first] == identity[second]
    return first[same], second[same]
