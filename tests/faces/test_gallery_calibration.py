"""Calibration of a gallery on its stored templates, on SQLite and PostgreSQL."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import CollectionNotFound, SpaceMismatch, TooFewPeople
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies
from app.faces.gallery_calibration import GalleryCalibrator
from app.inference.manifest import read_manifest
from app.store.collections import create_collection, get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.vectors import Matrix
from tests.faces.decisions.test_policy import TABLE
from tests.models import SHIPPED
from tests.store.galleries import add_people, made_up_people

DIMENSION = 64


class ConstantNormalisation:
    """Takes 0.1 off a score for each face."""

    def corrections(self, embeddings: Matrix) -> NDArray[np.float32]:
        """0.1 for each face, shape (n,)."""
        return np.full(len(embeddings), 0.1, dtype=np.float32)


@pytest.fixture
def policies(database: Database) -> DecisionPolicies:
    """Policies of a made-up model with score normalisation, and its empty gallery `crowd`."""
    manifest = read_manifest(SHIPPED).model_copy(
        update={"calibration": TABLE, "dimension": DIMENSION}
    )
    with database.write() as session:
        create_collection(session, "crowd", GALLERY, manifest.space)
    return DecisionPolicies(manifest, ConstantNormalisation(), DecisionOptions(0.001, 0.01))


def test_scores_are_normalised_and_repeated_photos_count_once(
    database: Database, policies: DecisionPolicies
) -> None:
    vectors = made_up_people(150, 2, DIMENSION)
    add_people(database, "crowd", vectors)
    calibrator = GalleryCalibrator(database, policies)
    plain = calibrator.calibrate("crowd").table
    assert (plain.people, plain.photos, plain.genuine_people) == (150, 300, 150)
    pairs = vectors.reshape(300, DIMENSION) @ vectors.reshape(300, DIMENSION).T
    people = np.repeat(np.arange(150), 2)
    impostors = pairs[people[:, None] < people[None]]
    at = plain.calibration.similarity[plain.calibration.fmr.index(0.01)]
    assert at == pytest.approx(float(np.quantile(impostors, 0.99)) - 0.2, abs=2e-3)

    repeated = np.repeat(made_up_people(1, 1, DIMENSION, seed=7), 5, axis=1)
    many = made_up_people(1, 25, DIMENSION, seed=8)
    add_people(database, "crowd", repeated)
    add_people(database, "crowd", many)
    table = calibrator.calibrate("crowd").table
    assert (table.people, table.photos, table.genuine_people) == (152, 300 + 1 + 10, 151)


def test_a_refused_calibration_keeps_the_stored_one(
    database: Database, policies: DecisionPolicies
) -> None:
    person_ids = add_people(database, "crowd", made_up_people(150, 1, DIMENSION))
    calibrator = GalleryCalibrator(database, policies)
    measured = calibrator.calibrate("crowd")
    assert {pair.person_a for pair in measured.closest} <= set(person_ids)
    with database.read() as session:
        stored = get_collection(session, "crowd").calibration_id
    with database.write() as session:
        create_collection(session, "small", GALLERY, policies.manifest.space)
    with pytest.raises(TooFewPeople):
        calibrator.calibrate("small")
    with pytest.raises(SpaceMismatch):
        calibrator.calibrate("people")
    with pytest.raises(CollectionNotFound):
        calibrator.calibrate("nothing")
    with database.read() as session:
        assert get_collection(session, "crowd").calibration_id == stored is not None
        assert get_collection(session, "small").calibration_id is None
    calibrator.clear("crowd")
    calibrator.clear("small")
    with database.read() as session:
        assert get_collection(session, "crowd").calibration_id is None
