"""Calibration tables of made-up galleries."""

import numpy as np
import pytest

from app.errors import TooFewPeople
from app.faces.decisions.gallery_table import GalleryMeasurement, GalleryTable, measure_gallery
from app.faces.decisions.scores import LabelledFaces, genuine_scores, impostor_scores
from app.faces.decisions.thresholds import Thresholds
from app.inference.manifest import Calibration
from app.vectors import Matrix
from tests.store.galleries import made_up_people


def labelled(vectors: Matrix) -> LabelledFaces:
    """Faces of people with vectors (people, photos, dimension), named p000, p001, ..."""
    people, photos, dimension = vectors.shape
    names = np.repeat([f"p{number:03}" for number in range(people)], photos)
    rows = people * photos
    return LabelledFaces(
        vectors.reshape(rows, dimension),
        names,
        np.full(rows, "", dtype=np.str_),
        np.zeros(rows, dtype=np.float32),
    )


MODEL = Thresholds(
    Calibration(population="model", pairs=1, similarity=(0.1, 0.7, 0.8), fmr=(0.1, 1e-2, 1e-7))
)


def measure(faces: LabelledFaces) -> GalleryMeasurement:
    """Measure a gallery; the model expects strangers up to a similarity of 0.7, not above 0.8."""
    return measure_gallery(faces, "made up", "none", MODEL)


def test_the_table_states_the_rates_of_the_gallery() -> None:
    faces = labelled(made_up_people(150, 2, 64))
    table = measure(faces).table
    calibration = table.calibration
    assert (table.people, table.photos, table.genuine_people) == (150, 300, 150)
    assert (calibration.pairs, calibration.genuine_pairs) == (44_700, 150)
    at = calibration.fmr.index(1e-2)
    threshold, interval = calibration.similarity[at], table.fmr_interval[at]
    assert impostor_scores(faces).share_at(threshold) == pytest.approx(1e-2, abs=5e-4)
    assert interval is not None and interval[0] < 1e-2 < interval[1]
    measured = [rate for rate, one in zip(calibration.fmr, table.fmr_interval, strict=True) if one]
    assert min(measured) == calibration.measured_to == 5e-4
    refused = 1 - genuine_scores(faces).share_at(threshold)
    assert calibration.fnmr[at] == pytest.approx(refused)
    assert table.fnmr_interval[at][0] <= refused <= table.fnmr_interval[at][1]
    assert GalleryTable.model_validate(table.model_dump(mode="json")) == table


def test_extrapolated_thresholds_are_not_closer_than_those_of_the_model() -> None:
    table = measure(labelled(made_up_people(150, 2, 64))).table.calibration
    at = dict(zip(table.fmr, table.similarity, strict=True))
    assert table.measured_to == 5e-4
    farther = MODEL.for_fmr(1e-6) - MODEL.for_fmr(5e-4)
    assert at[1e-6] - at[5e-4] >= farther - 1e-9
    refused = 1 - genuine_scores(labelled(made_up_people(150, 2, 64))).share_at(at[1e-6])
    assert table.fnmr[table.fmr.index(1e-6)] == pytest.approx(refused)


def test_a_person_enrolled_twice_is_reported() -> None:
    vectors = made_up_people(151, 2, 64)
    vectors[150] = vectors[3][::-1]
    measured = measure(labelled(vectors))
    [suspected] = [pair for pair in measured.closest if pair.suspected]
    assert (suspected.person_a, suspected.person_b) == ("p003", "p150")
    assert suspected.similarity == pytest.approx(1.0, abs=1e-5)
    assert measured.closest[0] == suspected
    assert measured.table.suspected_pairs == 1
    scores = [pair.similarity for pair in measured.closest]
    assert len(scores) == 20 and scores == sorted(scores, reverse=True)
    assert len({(pair.person_a, pair.person_b) for pair in measured.closest}) == 20


def test_without_several_photos_refusals_are_unknown() -> None:
    table = measure(labelled(made_up_people(150, 1, 64))).table
    assert (table.calibration.fnmr, table.fnmr_interval, table.genuine_people) == ((), (), 0)


@pytest.mark.parametrize(("people", "photos"), [(0, 1), (40, 3), (99, 5), (141, 1)])
def test_too_few_people_are_refused(people: int, photos: int) -> None:
    with pytest.raises(TooFewPeople, match="142 people with one photo each"):
        measure(labelled(made_up_people(people, photos, 64)))
