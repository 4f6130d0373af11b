"""Responses about collections, and about how galleries decide."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from app.api.schemas.base import example
from app.api.schemas.collection_requests import VisitorOption
from app.faces.decisions.gallery_table import ClosePair
from app.faces.decisions.options import DecisionOptions
from app.faces.gallery_decisions import GalleryState
from app.faces.gallery_decisions import Operation as OperationState
from app.faces.gallery_decisions import OwnCalibration as OwnCalibrationState
from app.faces.people import CollectionState
from app.inference.manifest import Calibration
from app.store import collections as store
from app.store.db.tables import GALLERY

_DECISIONS = {
    "calibration": {
        "source": "collection",
        "population": "people of the collection 'visitors'",
        "pairs": 179700,
        "genuine_pairs": 900,
        "measured_to": 0.0001,
        "curve": {
            "similarity": [0.2, 0.35, 0.48],
            "fmr": [0.1, 0.01, 0.0001],
            "fnmr": [0.002, 0.011, 0.042],
        },
    },
    "own_calibration": {
        "in_force": True,
        "calibrated_at": "2026-01-31T12:00:00Z",
        "people": 300,
        "photos": 600,
        "suspected_pairs": 0,
        "fmr_interval": [0.00006, 0.00016],
        "fnmr_interval": [0.03, 0.06],
    },
    "verify": {"target": 0.0001, "threshold": 0.4812, "expected_fnmr": 0.0421},
    "identify": {"target": 0.001, "threshold": 0.5713, "expected_fnmr": 0.1012},
}


class Shadow(BaseModel):
    """The shadow collection: the same people, embedded by another model.

    Searches do not use it. `missing` is the number of people without a template in it.
    """

    model: str
    missing: int


class Operation(BaseModel):
    """What a request without options needs. `target` is null with a fixed threshold.

    `threshold` holds for an average pair, at the gallery's present size. `expected_fnmr` is the
    share of genuine pairs of photos that it is expected to refuse; null if it is unknown. A search
    of 10 people and more is relative to the gallery: most faces need less than `threshold`, and
    fewer are refused.
    """

    target: float | None
    threshold: float
    expected_fnmr: float | None

    @classmethod
    def of(cls, state: OperationState) -> "Operation":
        return cls(
            target=state.target, threshold=state.threshold, expected_fnmr=state.expected_fnmr
        )


class CalibrationCurve(BaseModel):
    """Error rates by threshold, one entry per knot; log(FMR) is linear between knots.

    `similarity` is the threshold of an average pair, `fmr` the share of impostor pairs that reach
    it, `fnmr` the share of genuine pairs below it; `fnmr` is empty if it was not measured.
    """

    similarity: list[float]
    fmr: list[float]
    fnmr: list[float]

    @classmethod
    def of(cls, table: Calibration) -> "CalibrationCurve":
        return cls(similarity=list(table.similarity), fmr=list(table.fmr), fnmr=list(table.fnmr))


class CalibrationInForce(BaseModel):
    """The table that thresholds are computed from. Rates below `measured_to` are extrapolated."""

    source: Literal["model", "collection"]
    population: str
    pairs: int
    genuine_pairs: int
    measured_to: float | None
    curve: CalibrationCurve


class OwnCalibration(BaseModel):
    """The gallery's own table (`sima collections calibrate`).

    `in_force` is false if the score normalisation of the model has changed since; calibrate again.
    `suspected_pairs` is the number of pairs of people who may be one person enrolled twice.
    The intervals (95 %) are those of both error rates of /verify; null if unknown.
    """

    in_force: bool
    calibrated_at: datetime
    people: int
    photos: int
    suspected_pairs: int
    fmr_interval: tuple[float, float] | None
    fnmr_interval: tuple[float, float] | None

    @classmethod
    def of(cls, state: OwnCalibrationState) -> "OwnCalibration":
        table = state.table
        return cls(
            in_force=state.in_force,
            calibrated_at=state.calibrated_at,
            people=table.people,
            photos=table.photos,
            suspected_pairs=table.suspected_pairs,
            fmr_interval=state.fmr_interval,
            fnmr_interval=state.fnmr_interval,
        )


class Decisions(BaseModel):
    """How a gallery decides: the calibration in force, and what its requests need."""

    model_config = example(_DECISIONS)

    calibration: CalibrationInForce
    own_calibration: OwnCalibration | None
    verify: Operation
    identify: Operation

    @classmethod
    def of(cls, state: GalleryState) -> "Decisions":
        table, own = state.table, state.own
        return cls(
            calibration=CalibrationInForce(
                source="collection" if own is not None and own.in_force else "model",
                population=table.population,
                pairs=table.pairs,
                genuine_pairs=table.genuine_pairs,
                measured_to=table.measured_to,
                curve=CalibrationCurve.of(table),
            ),
            own_calibration=OwnCalibration.of(own) if own is not None else None,
            verify=Operation.of(state.verify),
            identify=Operation.of(state.identify),
        )


class Collection(BaseModel):
    """A gallery of `size` people or a vocabulary of `size` words.

    `target_fmr`, `target_fpir`, `threshold` and `visitors` are the gallery's own options, null if
    not set.
    """

    name: str
    kind: Literal["gallery", "vocabulary"]
    model: str
    dimension: int
    size: int
    created_at: datetime
    target_fmr: float | None = None
    target_fpir: float | None = None
    threshold: float | None = None
    visitors: VisitorOption | None = None

    @classmethod
    def of(cls, collection: store.Collection) -> "Collection":
        own = collection.options if collection.kind == GALLERY else {}
        options = DecisionOptions.of(own)
        return cls(
            name=collection.name,
            kind=collection.kind,
            model=collection.space.name,
            dimension=collection.space.dimension,
            size=collection.size,
            created_at=collection.created_at,
            target_fmr=options.target_fmr,
            target_fpir=options.target_fpir,
            threshold=options.threshold,
            visitors=own.get("visitors"),
        )


class CollectionDetails(Collection):
    """A collection. `shadow` is set while the gallery is migrated to another model.

    `decisions` is null for a vocabulary, and for a gallery of another model than the active one.
    """

    shadow: Shadow | None = None
    decisions: Decisions | None = None

    @classmethod
    def of_state(cls, state: CollectionState) -> "CollectionDetails":
        shadow, decisions = state.shadow, state.decisions
        return cls(
            **Collection.of(state.collection).model_dump(),
            shadow=Shadow(model=shadow.model, missing=shadow.missing) if shadow else None,
            decisions=Decisions.of(decisions) if decisions else None,
        )


class ClosePairOut(BaseModel):
    """Two people and the similarity of their most similar photos; `suspected` if they may be one
    person who is enrolled twice."""

    person_a: str
    person_b: str
    similarity: float
    suspected: bool

    @classmethod
    def of(cls, pair: ClosePair) -> "ClosePairOut":
        return cls.model_validate(pair, from_attributes=True)


class Calibrated(BaseModel):
    """The gallery with its new calibration, and its most similar pairs of people, best first."""

    collection: CollectionDetails
    closest: list[ClosePairOut]


class CollectionList(BaseModel):
    collections: list[Collection]
