"""Measures a calibration table on the people of one gallery."""

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from app.errors import TooFewPeople
from app.faces.decisions.calibration import calibrate
from app.faces.decisions.intervals import Interval, genuine_interval, impostor_interval
from app.faces.decisions.scores import (
    STEP,
    LabelledFaces,
    ScoreDistribution,
    genuine_scores,
    impostor_scores,
)
from app.faces.decisions.search_calibration import measure_own_searches
from app.faces.decisions.thresholds import Thresholds
from app.inference.manifest import Calibration, Manifest, SearchCalibration

FEWEST_PEOPLE, FEWEST_PAIRS = 100, 10_000
"""People and impostor pairs that a table needs; 10,000 pairs measure a false match rate of 0.001
with ten of them."""

FEWEST_GENUINE_PEOPLE = 30
"""People with several photos that false non-match rates need."""

_BLOCK = 256
_CLOSEST, _CANDIDATES = 20, 2_000
_UNEXPECTED = 0.05


class GalleryTable(BaseModel):
    """A calibration table as stored with a gallery.

    Intervals hold 95 % and have one entry per knot: `fmr_interval` is null where the rate is
    extrapolated, `fnmr_interval` is empty where too few people have several photos.
    `normalisation` identifies the score normalisation of the measured scores, `suspected_pairs` is
    the number of pairs of people who may be one person. `search` decides searches; None in tables
    of earlier versions, whose searches have one threshold for every face.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    calibration: Calibration
    fmr_interval: tuple[Interval | None, ...]
    fnmr_interval: tuple[Interval, ...]
    people: int
    photos: int
    genuine_people: int
    suspected_pairs: int
    normalisation: str
    search: SearchCalibration | None = None


@dataclass(frozen=True, slots=True)
class ClosePair:
    """Two people and the similarity of their most similar photos.

    `suspected` if so high a score is not expected among so many pairs of different people.
    """

    person_a: str
    person_b: str
    similarity: float
    suspected: bool


@dataclass(frozen=True, slots=True)
class GalleryMeasurement:
    """A gallery's table, and its most similar pairs of people, best score first."""

    table: GalleryTable
    closest: tuple[ClosePair, ...]


def normalisation_digest(manifest: Manifest) -> str:
    """Identifies the score normalisation of a model: scores of another one are not comparable."""
    spec = manifest.normalisation
    if spec is None:
        return "none"
    text = f"{spec.sha256} {spec.weight} {spec.average}"
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def measure_gallery(
    faces: LabelledFaces,
    population: str,
    normalisation: str,
    model: Thresholds,
) -> GalleryMeasurement:
    """Measure the pairs of a gallery's photos; `person` of `faces` are person_ids.

    Raises TooFewPeople.
    """
    people, code = np.unique(faces.person, return_inverse=True)
    impostors = impostor_scores(faces)
    _require_enough(len(people), impostors.pairs)
    genuine_people = int((np.bincount(code) > 1).sum())
    enough = genuine_people >= FEWEST_GENUINE_PEOPLE
    genuine = genuine_scores(faces) if enough else None
    calibration = _extend(calibrate({"people": impostors}, genuine, population), genuine, model)
    counts = _count(faces, code, calibration)
    closest = _closest_people(faces, code, lambda score: model.fmr_at(score) * impostors.pairs)
    table = GalleryTable(
        calibration=calibration,
        fmr_interval=counts.fmr_intervals(calibration),
        fnmr_interval=counts.fnmr_intervals() if enough else (),
        people=len(people),
        photos=len(faces),
        genuine_people=genuine_people,
        suspected_pairs=sum(pair.suspected for pair in closest),
        normalisation=normalisation,
        search=measure_own_searches(faces),
    )
    return GalleryMeasurement(table, tuple(closest[:_CLOSEST]))


def _extend(
    table: Calibration, genuine: ScoreDistribution | None, model: Thresholds
) -> Calibration:
    """The table with safer thresholds beyond its measured rates.

    There, the tail fitted to few pairs varies a lot from gallery to gallery
    (docs/adr/0016-calibration-of-galleries.md). Each knot is at least as far from the last measured
    one as in the model's table.
    """
    start = table.measured_to or table.fmr[0]
    measured = table.similarity[table.fmr.index(start)]
    similarity: list[float] = []
    for rate, knot in zip(table.fmr, table.similarity, strict=True):
        needed = knot
        if rate < start:
            farther = measured + model.for_fmr(rate) - model.for_fmr(start)
            needed = max(knot, math.ceil(farther / STEP) * STEP, similarity[-1] + STEP)
        similarity.append(round(needed, 6))
    return Calibration(
        population=table.population,
        pairs=table.pairs,
        similarity=tuple(similarity),
        fmr=table.fmr,
        measured_to=table.measured_to,
        fnmr=tuple(1.0 - genuine.share_at(s) for s in similarity) if genuine else (),
        genuine_pairs=table.genuine_pairs,
    )


def _require_enough(people: int, pairs: int) -> None:
    if people < FEWEST_PEOPLE or pairs < FEWEST_PAIRS:
        raise TooFewPeople(
            f"{people} people with {pairs} pairs of photos of two different people are too few for "
            f"a calibration; at least {FEWEST_PEOPLE} people and {FEWEST_PAIRS:,} pairs are needed "
            "(142 people with one photo each)"
        )


@dataclass(frozen=True, slots=True)
class _Counts:
    """Pairs of each person by the number of knots that their score reaches: (people, knots + 1)."""

    impostor: NDArray[np.int64]
    genuine: NDArray[np.int64]

    def fmr_intervals(self, table: Calibration) -> tuple[Interval | None, ...]:
        """Of each knot; None where the rate is extrapolated."""
        reached, pairs = _reached(self.impostor)
        measured_to = table.measured_to or 0.0
        return tuple(
            impostor_interval(reached[:, knot], pairs) if rate >= measured_to else None
            for knot, rate in enumerate(table.fmr)
        )

    def fnmr_intervals(self) -> tuple[Interval, ...]:
        """Of each knot."""
        some = self.genuine[self.genuine.sum(axis=1) > 0]
        reached, pairs = _reached(some)
        return tuple(
            genuine_interval(pairs - reached[:, knot], pairs) for knot in range(reached.shape[1])
        )


def _reached(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of each person that reach each knot, (people, knots), and all of them, (people,)."""
    return counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:], counts.sum(axis=1)


def _count(faces: LabelledFaces, code: NDArray[np.int64], table: Calibration) -> _Counts:
    knots = np.array(table.similarity, dtype=np.float32)
    shape = (int(code.max()) + 1, len(knots) + 1)
    impostor, genuine = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)

    def add(to: NDArray[np.int64], people: NDArray[np.int64], level: NDArray[np.int64]) -> None:
        to += np.bincount(people * shape[1] + level, minlength=to.size).reshape(shape)

    for block in _blocks(faces):
        level = np.searchsorted(knots, block.score, side="right")
        a, b = code[block.a], code[block.b]
        same = a == b
        add(genuine, a[same], level[same])
        for people in (a, b):
            add(impostor, people[~same], level[~same])
    return _Counts(impostor, genuine)


def _closest_people(
    faces: LabelledFaces, code: NDArray[np.int64], expected: Callable[[float], float]
) -> list[ClosePair]:
    """The pairs of people with the highest scores; `expected` pairs of strangers reach a score."""
    best: dict[tuple[int, int], tuple[float, float]] = {}
    for block in _blocks(faces):
        other = code[block.a] != code[block.b]
        a, b, score = block.a[other], block.b[other], block.score[other]
        if len(score) > _CANDIDATES:
            top = np.argpartition(score, -_CANDIDATES)[-_CANDIDATES:]
            a, b, score = a[top], b[top], score[top]
        similarity = np.einsum("ij,ij->i", faces.embeddings[a], faces.embeddings[b])
        for pair in zip(code[a], code[b], score.tolist(), similarity.tolist(), strict=True):
            people = (int(min(pair[:2])), int(max(pair[:2])))
            best[people] = max(best.get(people, (-2.0, -2.0)), pair[2:])
        ranked = sorted(best.items(), key=lambda item: -item[1][0])[:_CANDIDATES]
        best = dict(ranked)
    names = np.unique(faces.person)
    return [
        ClosePair(str(names[a]), str(names[b]), min(similarity, 1.0), expected(score) < _UNEXPECTED)
        for (a, b), (score, similarity) in best.items()
    ]


@dataclass(frozen=True, slots=True)
class _Block:
    """Photos a and b of some pairs, as rows, with their score; shape (pairs,)."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    score: NDArray[np.float32]


def _blocks(faces: LabelledFaces) -> Iterator[_Block]:
    """Every unordered pair once."""
    for start in range(0, len(faces), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(faces)))
        scores = faces.embeddings[rows] @ faces.embeddings[start:].T
        scores -= faces.correction[rows, None] + faces.correction[None, start:]
        a, b = np.nonzero(np.arange(start, len(faces))[None] > rows[:, None])
        yield _Block(a + start, b + start, scores[a, b])
