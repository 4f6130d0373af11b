"""Describes how a gallery decides: the table in force, thresholds and expected refusals."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy.orm import Session

from app.faces.decisions.gallery_table import GalleryTable
from app.faces.decisions.intervals import Interval
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies, GalleryPolicy
from app.faces.decisions.policy import DecisionPolicy, Limit
from app.inference.manifest import Calibration
from app.store.collections import Collection
from app.store.db.tables import GALLERY


@dataclass(frozen=True, slots=True)
class Operation:
    """What an average pair needs in one kind of request.

    `target` is None with a fixed threshold. `expected_fnmr` is the expected share of refused
    genuine pairs, None where it is unknown.
    """

    target: float | None
    threshold: float
    expected_fnmr: float | None


@dataclass(frozen=True, slots=True)
class OwnCalibration:
    """A gallery's own table; `in_force` is false if the model's score normalisation has changed.

    Intervals hold 95 % and are those of the rates at the threshold of /verify; None if unknown.
    """

    in_force: bool
    calibrated_at: datetime
    table: GalleryTable
    fmr_interval: Interval | None
    fnmr_interval: Interval | None


@dataclass(frozen=True, slots=True)
class GalleryState:
    """How a gallery decides: the table in force, and what requests without options need."""

    table: Calibration
    own: OwnCalibration | None
    verify: Operation
    identify: Operation


class GalleryDecisions:
    """Describes galleries for operators."""

    def __init__(self, policies: DecisionPolicies) -> None:
        self._policies = policies

    def state(self, session: Session, collection: Collection) -> GalleryState | None:
        """How the collection decides; None for a vocabulary or a gallery of another model."""
        policies = self._policies
        if collection.kind != GALLERY or collection.space.digest != policies.manifest.space.digest:
            return None
        rules = policies.of_gallery(session, collection)
        own = policies.calibration_of(session, collection)
        nothing = DecisionOptions()
        verify = rules.verify_limit(nothing)
        table = policies.table if own is None or not own.in_force else own.table.calibration
        return GalleryState(
            table,
            _own(own, verify) if own is not None else None,
            _operation(rules.policy, verify),
            _operation(rules.policy, rules.identify_limit(nothing, collection.size)),
        )


def _operation(policy: DecisionPolicy, limit: Limit) -> Operation:
    return Operation(limit.target, limit.threshold, policy.expected_fnmr(limit))


def _own(own: GalleryPolicy, verify: Limit) -> OwnCalibration:
    table = own.table
    knots = table.calibration.similarity
    known = own.in_force and not verify.fixed
    return OwnCalibration(
        own.in_force,
        own.calibrated_at,
        table,
        _interval_at(verify.threshold, knots, table.fmr_interval) if known else None,
        _interval_at(verify.threshold, knots, table.fnmr_interval) if known else None,
    )


def _interval_at(
    threshold: float, knots: tuple[float, ...], intervals: tuple[Interval | None, ...]
) -> Interval | None:
    """The interval at a threshold, linear between the knots; None beyond those with intervals."""
    known = [(knot, one) for knot, one in zip(knots, intervals, strict=False) if one is not None]
    if not known or not known[0][0] <= threshold <= known[-1][0]:
        return None
    at = [knot for knot, _ in known]
    low, high = (
        float(np.interp(threshold, at, [one[side] for _, one in known])) for side in (0, 1)
    )
    return low, high
