"""Provides the decision policy of each gallery: the model's calibration, or the gallery's own."""

from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from cachetools import LRUCache
from sqlalchemy.orm import Session

from app.faces.decisions.gallery_table import GalleryTable, normalisation_digest
from app.faces.decisions.normalisation import ScoreNormaliser
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policy import DecisionPolicy
from app.faces.decisions.rules import DecisionRules
from app.faces.decisions.search_thresholds import SearchThresholds
from app.faces.decisions.thresholds import Thresholds
from app.inference.manifest import Manifest
from app.store.calibrations import read_calibration
from app.store.collections import Collection

_CACHED = 256


@dataclass(frozen=True, slots=True)
class GalleryPolicy:
    """A gallery's own calibration table. `in_force` is false if it was measured with another score
    normalisation than the model has now; the model's table decides then.
    """

    table: GalleryTable
    calibrated_at: datetime
    in_force: bool
    policy: DecisionPolicy


class DecisionPolicies:
    """Policies of the active model. Thread-safe; tables of galleries are cached.

    `defaults` are the settings, with both target rates. Raises ModelError if the model has no
    calibration table.
    """

    def __init__(
        self, manifest: Manifest, normaliser: ScoreNormaliser, defaults: DecisionOptions
    ) -> None:
        self.thresholds = Thresholds.of(manifest)
        assert manifest.calibration is not None, "Thresholds.of has checked it"
        self.table = manifest.calibration
        self.manifest, self.defaults = manifest, defaults
        self._search = SearchThresholds.of(manifest)
        self.model = DecisionPolicy(self.thresholds, normaliser, self._search)
        self.normalisation = normalisation_digest(manifest)
        self._normaliser = normaliser
        self._cache: LRUCache[tuple[int, int], GalleryPolicy] = LRUCache(_CACHED)
        self._lock = Lock()

    def of_model(self) -> DecisionRules:
        """The rules of comparisons outside of any gallery."""
        return DecisionRules(self.model, (self.defaults,))

    def of_gallery(self, session: Session, gallery: Collection) -> DecisionRules:
        """The rules of comparisons in a gallery of the active model's space."""
        own = self.calibration_of(session, gallery)
        policy = own.policy if own is not None and own.in_force else self.model
        return DecisionRules(policy, (DecisionOptions.of(gallery.options), self.defaults))

    def calibration_of(self, session: Session, gallery: Collection) -> GalleryPolicy | None:
        """The gallery's own calibration, or None. It is stored with the gallery's row, so another
        embedding space after a cut-over has none."""
        if gallery.calibration_id is None:
            return None
        key = (gallery.row_id, gallery.calibration_id)
        with self._lock:
            cached = self._cache.get(key)
        if cached is None:
            cached = self._read(session, gallery.calibration_id)
            with self._lock:
                self._cache[key] = cached
        return cached

    def _read(self, session: Session, calibration_id: int) -> GalleryPolicy:
        stored = read_calibration(session, calibration_id)
        table = GalleryTable.model_validate(stored.content)
        thresholds = Thresholds(table.calibration)
        search = None
        if table.search is not None:
            search = SearchThresholds(table.search, thresholds, self._search)
        return GalleryPolicy(
            table,
            stored.created_at,
            table.normalisation == self.normalisation,
            DecisionPolicy(thresholds, self._normaliser, search),
        )
