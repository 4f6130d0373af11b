"""Calibrates a gallery on its own people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.audit_events import AuditEvent
from app.faces.decisions.gallery_table import ClosePair, GalleryTable, measure_gallery
from app.faces.decisions.policies import DecisionPolicies
from app.faces.decisions.scores import LabelledFaces
from app.store.calibrations import clear_calibration, set_calibration
from app.store.collections import Collection, get_collection, lock_collection
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.templates import read_vectors, template_owners
from app.vectors import Matrix

_MOST_PHOTOS = 10_000
_MOST_PER_PERSON = 10


@dataclass(frozen=True, slots=True)
class GalleryCalibration:
    """The stored table, and the most similar pairs of people, best score first."""

    table: GalleryTable
    closest: tuple[ClosePair, ...]


class GalleryCalibrator:
    """Measures galleries of the active model and stores their tables with them."""

    def __init__(self, database: Database, policies: DecisionPolicies) -> None:
        self._database, self._policies = database, policies

    def calibrate(self, name: str) -> GalleryCalibration:
        """Measure the people of a gallery and store the table; decisions use it from then on.

        At most 10,000 photos of people chosen at random are compared, ten of a person. Raises
        CollectionNotFound, SpaceMismatch, TooFewPeople.
        """
        policies = self._policies
        gallery, faces = self._read(name)
        measured = measure_gallery(
            faces,
            f"people of the collection {name!r}",
            policies.normalisation,
            policies.thresholds,
        )
        with self._database.write() as session:
            locked = lock_collection(session, gallery)
            set_calibration(session, locked, measured.table.model_dump(mode="json"))
            record(session, AuditEvent("collection.calibrate", "changed", name))
        return GalleryCalibration(measured.table, measured.closest)

    def clear(self, name: str) -> None:
        """Delete the table of a gallery; the model's decides again. Raises CollectionNotFound."""
        with self._database.write() as session:
            gallery = lock_collection(session, get_collection(session, name, GALLERY))
            clear_calibration(session, gallery)
            record(session, AuditEvent("collection.calibrate", "deleted", name))

    def _read(self, name: str) -> tuple[Collection, LabelledFaces]:
        with self._database.read() as session:
            gallery = get_collection(session, name, GALLERY)
            gallery.require_space(self._policies.manifest.space)
            owners = template_owners(session, gallery)
            row_ids = np.array([row_id for row_id, _ in owners], dtype=np.int64)
            person = np.array([person_id for _, person_id in owners], dtype=np.str_)
            chosen = _choose(person)
            blocks = list(read_vectors(session, gallery, set(row_ids[chosen].tolist())))
        vectors = (
            np.concatenate([vectors for _, vectors in blocks])
            if blocks
            else np.zeros((0, gallery.space.dimension), dtype=np.float32)
        )
        rows = _distinct(vectors, person[chosen])
        embeddings = vectors[rows]
        return gallery, LabelledFaces(
            embeddings,
            person[chosen][rows],
            np.full(len(rows), "", dtype=np.str_),
            self._policies.model.corrections(embeddings),
        )


def _choose(person: NDArray[np.str_], seed: int = 0) -> NDArray[np.int64]:
    """Ascending rows of at most _MOST_PHOTOS photos, at most _MOST_PER_PERSON of each person."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(person))
    _, code = np.unique(person, return_inverse=True)
    code = rng.permutation(int(code.max()) + 1)[code] if len(code) else code  # people in any order
    order = order[np.argsort(code[order], kind="stable")]
    sorted_code = code[order]
    first = np.searchsorted(sorted_code, sorted_code)
    of_person = np.arange(len(order)) - first
    return np.sort(order[of_person < _MOST_PER_PERSON][:_MOST_PHOTOS])


def _distinct(vectors: Matrix, person: NDArray[np.str_]) -> NDArray[np.int64]:
    """Rows without those that repeat a photo of the same person."""
    seen: dict[tuple[str, bytes], int] = {}
    for row, (vector, name) in enumerate(zip(vectors, person.tolist(), strict=True)):
        seen.setdefault((name, vector.tobytes()), row)
    return np.array(list(seen.values()), dtype=np.int64)
