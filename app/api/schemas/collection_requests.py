"""Requests about collections."""

from typing import Annotated, Any, Literal

from pydantic import Field

from app.api.schemas.base import CollectionName, FixedThreshold, Rate, Request, example
from app.faces.decisions.options import DecisionOptions

_RATE = "Null: that of the settings."

TargetFmr = Annotated[Rate | None, Field(description=f"False match rate of /verify. {_RATE}")]
TargetFpir = Annotated[
    Rate | None, Field(description=f"False positive identification rate of /identify. {_RATE}")
]
Threshold = Annotated[
    FixedThreshold | None, Field(description="Cosine that every pair must reach.")
]


class VisitorOption(Request):
    """Unknown faces get a visitor_id, and are deleted after so many days without being seen."""

    days: Annotated[int, Field(ge=1, le=3650)]


Visitors = Annotated[
    VisitorOption | None,
    Field(description="Recognise unknown faces again. Null: no visitors."),
]

_OPTIONS = {"target_fmr": 0.0001, "target_fpir": 0.001}


class OptionChanges(Request):
    """The options of a gallery to change; null deletes an option."""

    model_config = example({"target_fmr": 0.0001, "threshold": None})

    target_fmr: TargetFmr = None
    target_fpir: TargetFpir = None
    threshold: Threshold = None
    visitors: Visitors = None

    def changes(self) -> dict[str, Any]:
        """The options that were sent."""
        sent = self.model_dump()
        return {name: sent[name] for name in self.model_fields_set}


class NewCollection(Request):
    """A collection to create. `model` must be the active model if it is sent."""

    model_config = example({"name": "visitors", "kind": "gallery", **_OPTIONS})

    name: CollectionName
    kind: Literal["gallery", "vocabulary"] = "gallery"
    model: str | None = None
    target_fmr: TargetFmr = None
    target_fpir: TargetFpir = None
    threshold: Threshold = None
    visitors: Visitors = None

    def options(self) -> DecisionOptions:
        """The decision options of the new gallery."""
        return DecisionOptions(self.target_fmr, self.target_fpir, self.threshold)

    def visitor_days(self) -> int | None:
        """After how many days visitors are deleted; None: the gallery has none."""
        return None if self.visitors is None else self.visitors.days


class NewImport(Request):
    """The form fields of `POST /collections/import`, without the file.

    `signer` is the public key of the installation that exported the archive, in hexadecimal; it is
    not needed for archives of this one.
    """

    name: CollectionName
    signer: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
