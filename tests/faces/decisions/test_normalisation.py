"""Score normalisation: fit, file, and what it does to groups with different impostor means."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.errors import ModelError
from app.faces.decisions.cohort import NEAREST, balanced, impostor_means
from app.faces.decisions.fitting import FEWEST_PEOPLE, fit_means, try_weights
from app.faces.decisions.normalisation import LearnedNormalisation
from app.faces.decisions.scores import LabelledFaces, impostor_scores
from app.inference.manifest import ScoreNormalisation
from app.inference.session import OnnxSession
from app.vectors import l2_normalize


def crowded_and_spread(people: int = 900) -> LabelledFaces:
    """Two faces a person; the faces of group `crowded` resemble one another, those of `spread`
    do not."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(people, 32))
    centres[: people // 2, :6] += 2.2
    rows = np.repeat(centres, 2, axis=0) + rng.normal(0, 0.6, (2 * people, 32))
    person = np.repeat(np.arange(people), 2).astype(str)
    group = np.where(np.arange(2 * people) < people, "crowded", "spread")
    nothing = np.zeros(2 * people, dtype=np.float32)
    return LabelledFaces(l2_normalize(rows).astype(np.float32), person, group, nothing)


def one_source(faces: LabelledFaces) -> NDArray[np.str_]:
    return np.full(len(faces), "photos")


def test_cohort_has_one_face_a_person_and_as_many_people_of_each_group() -> None:
    faces = crowded_and_spread()
    rows = balanced(faces.group, faces.person, most=200)
    assert len(np.unique(faces.person[rows])) == len(rows) == 400
    assert (faces.group[rows] == "crowded").sum() == 200


def test_impostor_means_leave_out_the_person_itself() -> None:
    faces = crowded_and_spread(100)
    found = impostor_means(faces.embeddings, faces.person, faces.embeddings, faces.person)
    similarity = faces.embeddings[0] @ faces.embeddings.T
    others = np.sort(similarity[faces.person != faces.person[0]])
    assert found[0] == pytest.approx(others[-NEAREST:].mean(), abs=1e-5)


def test_normalisation_serves_both_groups_with_one_threshold(tmp_path: Path) -> None:
    faces = crowded_and_spread()
    everybody = np.ones(len(faces), dtype=np.bool_)
    fitted = fit_means(faces, faces.group, everybody, one_source(faces))
    assert fitted.correlation > 0.9
    groups = [faces.group == name for name in ("crowded", "spread")]
    trials = {trial.weight: trial for trial in try_weights(fitted, faces, everybody, groups)}
    assert trials[1.0].accepted > trials[0.0].accepted + 0.05
    needed = {}
    for weight in (0.0, 1.0):
        corrected = faces.corrected_by(fitted.corrections(weight))
        scores = [impostor_scores(corrected.take(rows)) for rows in groups]
        needed[weight] = abs(scores[0].threshold_at(1e-3) - scores[1].threshold_at(1e-3))
    assert needed[1.0] < needed[0.0] / 2

    content = fitted.network.to_onnx()
    spec = ScoreNormalisation(
        file="impostor_mean.onnx",
        sha256=hashlib.sha256(content).hexdigest(),
        weight=0.75,
        average=fitted.average,
        cohort="synthetic",
        correlation=fitted.correlation,
    )
    served = LearnedNormalisation(spec, OnnxSession(content, ["CPUExecutionProvider"]))
    found = served.corrections(faces.embeddings)
    expected = 0.75 / 2 * (fitted.network.predict(faces.embeddings) - fitted.average)
    assert np.abs(found - expected).max() < 1e-5
    assert served.corrections(faces.embeddings[:0]).shape == (0,)


def test_what_is_measured_was_predicted_without_the_person() -> None:
    """Means that cannot be predicted from a face must not seem to be predicted.

    The embeddings are random directions: a regressor that has seen a face can learn its mean by
    heart, one that has not cannot know it.
    """
    rng = np.random.default_rng(1)
    people = 700
    embeddings = l2_normalize(rng.normal(size=(people, 256))).astype(np.float32)
    person = np.arange(people).astype(str)
    strata = np.full(people, "all")
    faces = LabelledFaces(embeddings, person, strata, np.zeros(people, dtype=np.float32))
    fitted = fit_means(faces, strata, np.ones(people, dtype=np.bool_), one_source(faces))
    means = impostor_means(embeddings, person, embeddings, person)
    by_heart = np.corrcoef(fitted.network.predict(embeddings), means)[0, 1]
    assert by_heart > 0.5
    assert fitted.correlation < 0.2


def test_what_is_measured_was_predicted_without_the_source() -> None:
    """Corrections that only recognise the source of a photo must not seem to help.

    The faces of a source have a part in common, which a regressor fitted to this source takes off
    their scores. It cannot know that part of a source that it has not seen.
    """
    rng = np.random.default_rng(4)
    people, sources = 660, 3
    source = np.repeat([f"source {n}" for n in range(sources)], people // sources * 2)
    common = np.zeros((sources, 64))
    common[np.arange(sources), np.arange(sources)] = (1.0, 3.0, 6.0)
    centres = np.repeat(rng.normal(size=(people, 64)), 2, axis=0)
    rows = centres + rng.normal(0, 0.7, centres.shape) + np.repeat(common, people * 2 // 3, axis=0)
    person = np.repeat(np.arange(people), 2).astype(str)
    nothing = np.zeros(len(rows), dtype=np.float32)
    faces = LabelledFaces(l2_normalize(rows).astype(np.float32), person, source, nothing)
    everybody = np.ones(len(faces), dtype=np.bool_)
    groups = [source == name for name in np.unique(source)]
    gain = {}
    for known in (one_source(faces), source):
        fitted = fit_means(faces, source, everybody, known)
        trials = {trial.weight: trial for trial in try_weights(fitted, faces, everybody, groups)}
        gain[len(np.unique(known))] = trials[1.0].accepted - trials[0.0].accepted
    assert gain[3] < 0.0 < gain[1]


def test_too_few_people_are_refused() -> None:
    faces = crowded_and_spread(FEWEST_PEOPLE - 2)
    with pytest.raises(ModelError, match=f"at least {FEWEST_PEOPLE} people"):
        fit_means(faces, faces.group, np.ones(len(faces), dtype=np.bool_), one_source(faces))
