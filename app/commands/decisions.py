"""The `sima collections` commands create, set, show, calibrate and delete."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from app.api.schemas.collections import CollectionDetails
from app.api.schemas.persons import ErasureReceipt
from app.commands.output import (
    AsJson,
    open_services,
    print_json,
    print_model,
    print_table,
    usage_errors,
)
from app.faces.decisions.options import DecisionOptions
from app.faces.gallery_calibration import GalleryCalibration
from app.faces.gallery_decisions import GalleryState, Operation
from app.faces.people import CollectionState
from app.store.db.tables import GALLERY

Name = Annotated[str, typer.Argument(help="The gallery.")]
TargetFmr = Annotated[
    float | None, typer.Option(help="False match rate of verify, above 0, at most 0.5.")
]
TargetFpir = Annotated[
    float | None,
    typer.Option(help="False positive identification rate of identify, above 0, at most 0.5."),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Cosine that every pair must reach; replaces rates and normalisation."),
]

VisitorDays = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=3650,
        help="Recognise unknown faces again, and delete those not seen for so many days.",
    ),
]

_LOWEST_RATE = 1e-6  # of the printed table; JSON contains all rates


class OptionName(StrEnum):
    """The decision options of a gallery."""

    TARGET_FMR = "target_fmr"
    TARGET_FPIR = "target_fpir"
    THRESHOLD = "threshold"
    VISITORS = "visitors"


def create(
    name: Name,
    target_fmr: TargetFmr = None,
    target_fpir: TargetFpir = None,
    threshold: Threshold = None,
    visitor_days: VisitorDays = None,
    as_json: AsJson = False,
) -> None:
    """Create an empty gallery of the active model."""
    with usage_errors():
        options = DecisionOptions(target_fmr, target_fpir, threshold)
    with open_services() as services:
        created = services.galleries.create(name, options=options, visitor_days=visitor_days)
    _print_state(created, as_json)


def set_options(
    name: Name,
    target_fmr: TargetFmr = None,
    target_fpir: TargetFpir = None,
    threshold: Threshold = None,
    visitor_days: VisitorDays = None,
    unset: Annotated[
        list[OptionName] | None, typer.Option(help="An option to delete; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the decision options of a gallery; a running service uses them at once."""
    options = {"target_fmr": target_fmr, "target_fpir": target_fpir, "threshold": threshold}
    changes: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    if visitor_days is not None:
        changes["visitors"] = {"days": visitor_days}
    deleted = dict.fromkeys(option.value for option in unset or [])
    with usage_errors():
        DecisionOptions.of(changes)
    with open_services() as services:
        changed = services.galleries.change_options(name, {**changes, **deleted})
    _print_state(changed, as_json)


def delete(name: Name, as_json: AsJson = False) -> None:
    """Delete a collection with its people or words; of the gallery `default`, its contents."""
    with open_services() as services:
        receipt = services.galleries.delete_collection(name)
    if as_json:
        print_model(ErasureReceipt.of(receipt))
    else:
        typer.echo(f"deleted {name}; the erasure receipt is {receipt.id}")


def show(name: Name, as_json: AsJson = False) -> None:
    """Show a collection: options, calibration in force, thresholds, expected refusals."""
    with open_services() as services:
        found = services.galleries.collection(name)
    _print_state(found, as_json)


def calibrate(
    name: Name,
    clear: Annotated[
        bool, typer.Option("--clear", help="Return to the calibration of the model.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure error rates on the gallery's own people and store them with the gallery.

    Decisions in this gallery use them at once. At least 100 people and 10,000 pairs of photos of
    two people are needed (142 people with one photo each), and 30 people with several photos for
    the share of refused genuine pairs.
    """
    with open_services() as services:
        if clear:
            services.gallery_calibrator.clear(name)
        measured = None if clear else services.gallery_calibrator.calibrate(name)
        state = services.galleries.collection(name)
    if measured is None:
        _print_state(state, as_json)
    elif as_json:
        details = CollectionDetails.of_state(state).model_dump(mode="json")
        print_json(_calibration_as_json(measured) | {"collection": details})
    else:
        _print_calibration(measured)
        _print_state(state, as_json)


def _print_calibration(measured: GalleryCalibration) -> None:
    table = measured.table
    rows = [
        (
            f"{rate:g}",
            knot,
            "extrapolated" if fmr is None else _interval(fmr),
            _rate(fnmr),
            _interval(refused),
        )
        for rate, knot, fmr, fnmr, refused in zip(
            table.calibration.fmr,
            table.calibration.similarity,
            table.fmr_interval,
            table.calibration.fnmr or [None] * len(table.fmr_interval),
            table.fnmr_interval or [None] * len(table.fmr_interval),
            strict=True,
        )
        if rate >= _LOWEST_RATE
    ]
    columns = ("false match rate", "threshold", "95 % interval", "refused genuine pairs")
    print_table((*columns, "95 % interval"), rows)
    print_table(
        ("most similar people", "", "similarity", "may be one person"),
        [(p.person_a, p.person_b, p.similarity, _yes(p.suspected)) for p in measured.closest],
    )
    if table.suspected_pairs:
        typer.echo(
            "warning: two different people are not expected to be as similar as the most similar "
            f"ones (pairs: {table.suspected_pairs}). If they are one person enrolled twice, the "
            "thresholds are too high: join or delete them, and calibrate again.",
            err=True,
        )


def _print_state(state: CollectionState, as_json: bool) -> None:
    if as_json:
        print_model(CollectionDetails.of_state(state))
        return
    collection = state.collection
    rows: list[tuple[str, object]] = [
        ("kind", collection.kind),
        ("model", collection.space.name),
        ("size", collection.size),
    ]
    if collection.kind == GALLERY:
        options = DecisionOptions.of(collection.options).stored()
        rows += [(option, f"{value:g}") for option, value in options.items()]
    if state.shadow is not None:
        rows.append(("shadow collection", f"{state.shadow.model}, {state.shadow.missing} missing"))
    if state.decisions is not None:
        rows += _decision_rows(state.decisions)
    print_table(("", collection.name), rows)


def _decision_rows(state: GalleryState) -> list[tuple[str, object]]:
    own, table = state.own, state.table
    in_force = own is not None and own.in_force
    measured_to = f", measured to {table.measured_to:g}" if table.measured_to else ""
    rows: list[tuple[str, object]] = [
        ("calibration", "of the collection" if in_force else "of the model"),
        ("population", f"{table.population}; {table.pairs} pairs{measured_to}"),
        ("verify", _operation(state.verify)),
        ("identify", _operation(state.identify)),
    ]
    if own is None:
        return rows
    if not own.in_force:
        text = "not in force: the score normalisation of the model has changed; calibrate again"
        return [*rows, ("own calibration", text)]
    return [
        *rows,
        ("calibrated at", f"{own.calibrated_at:%Y-%m-%d %H:%M}"),
        ("false match rate of verify, 95 %", _interval(own.fmr_interval)),
        ("refused genuine pairs of verify, 95 %", _interval(own.fnmr_interval)),
        ("people who may be enrolled twice", f"pairs: {own.table.suspected_pairs}"),
    ]


def _calibration_as_json(measured: GalleryCalibration) -> dict[str, object]:
    return {"table": measured.table.model_dump(mode="json"), "closest": list(measured.closest)}


def _operation(operation: Operation) -> str:
    target = "fixed threshold" if operation.target is None else f"target {operation.target:g}"
    refused = _rate(operation.expected_fnmr)
    return f"{target}, threshold {operation.threshold:.4f}, refused genuine pairs: {refused}"


def _rate(rate: float | None) -> str:
    return "unknown" if rate is None else f"{rate:.4f}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "unknown" if interval is None else f"{interval[0]:.2g} to {interval[1]:.2g}"


def _yes(value: bool) -> str:
    return "yes" if value else ""
