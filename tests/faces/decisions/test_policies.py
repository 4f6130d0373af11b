"""Which calibration table decides in a gallery, on SQLite and PostgreSQL."""

import pytest

from app.faces.decisions.gallery_table import GalleryTable, normalisation_digest
from app.faces.decisions.normalisation import NoNormalisation
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies
from app.inference.manifest import Calibration, Manifest, read_manifest
from app.store.calibrations import change_options, clear_calibration, set_calibration
from app.store.collections import get_collection, lock_collection
from app.store.db.database import Database
from app.store.shadow import cut_over, open_shadow, roll_back
from app.vectors import EmbeddingSpace
from tests.faces.decisions.test_policy import TABLE
from tests.models import SHIPPED

OTHER = EmbeddingSpace("other", "sha256:other", 6)
NOTHING = DecisionOptions()


@pytest.fixture
def policies() -> DecisionPolicies:
    """Policies of a model whose FMR is 0.01 at a similarity of 0.3."""
    manifest = read_manifest(SHIPPED).model_copy(
        update={"calibration": TABLE, "normalisation": None}
    )
    return DecisionPolicies(manifest, NoNormalisation(), DecisionOptions(0.01, 0.01))


def gallery_table(manifest: Manifest, threshold: float, normalisation: str = "") -> GalleryTable:
    """A table with FMR 0.01 at `threshold`."""
    calibration = Calibration(
        population="a gallery", pairs=1, similarity=(0.0, threshold), fmr=(0.1, 0.01)
    )
    return GalleryTable(
        calibration=calibration,
        fmr_interval=(None, None),
        fnmr_interval=(),
        people=1,
        photos=1,
        genuine_people=0,
        suspected_pairs=0,
        normalisation=normalisation or normalisation_digest(manifest),
    )


def store(database: Database, table: GalleryTable) -> None:
    """Stores a table with the gallery `people`."""
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        set_calibration(session, gallery, table.model_dump(mode="json"))


def threshold(database: Database, policies: DecisionPolicies) -> float:
    """The threshold of a comparison in the gallery `people`, without options."""
    with database.read() as session:
        rules = policies.of_gallery(session, get_collection(session, "people"))
    return rules.verify_limit(NOTHING).threshold


def test_the_table_of_the_gallery_decides_until_it_is_cleared(
    database: Database, policies: DecisionPolicies
) -> None:
    assert threshold(database, policies) == pytest.approx(0.3)
    for changed in (0.2, 0.6):  # the second table is not hidden by a cached first one
        store(database, gallery_table(policies.manifest, changed))
        assert threshold(database, policies) == pytest.approx(changed)
        assert threshold(database, policies) == pytest.approx(changed)
    with database.write() as session:
        clear_calibration(session, lock_collection(session, get_collection(session, "people")))
    assert threshold(database, policies) == pytest.approx(0.3)
    assert policies.of_model().verify_limit(NOTHING).threshold == pytest.approx(0.3)


def test_the_table_is_not_used_in_another_space(
    database: Database, policies: DecisionPolicies
) -> None:
    store(database, gallery_table(policies.manifest, 0.2))
    with database.write() as session:
        open_shadow(session, "people", OTHER)
        cut_over(session, "people")
    assert threshold(database, policies) == pytest.approx(0.3)
    with database.write() as session:
        roll_back(session, "people")
    assert threshold(database, policies) == pytest.approx(0.2)


def test_a_table_of_another_normalisation_is_not_used(
    database: Database, policies: DecisionPolicies
) -> None:
    """`sima models calibrate` may change the scores of a model without changing its space."""
    store(database, gallery_table(policies.manifest, 0.2, "sha256:other"))
    assert threshold(database, policies) == pytest.approx(0.3)
    with database.read() as session:
        own = policies.calibration_of(session, get_collection(session, "people"))
    assert own is not None and not own.in_force


def test_the_options_of_the_gallery_precede_the_settings(
    database: Database, policies: DecisionPolicies
) -> None:
    with database.write() as session:
        gallery = lock_collection(session, get_collection(session, "people"))
        change_options(session, gallery, {"target_fmr": 0.1})
    assert threshold(database, policies) == pytest.approx(0.1)
