"""A model with score normalisation: each pair of faces has a threshold of its own."""

from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.faces.decisions.regression import Perceptron
from app.inference.manifest import read_manifest
from app.vectors import Vector
from tests.conftest import MakeClient, enroll, upload
from tests.models import SHIPPED, with_normalisation

Photos = dict[str, bytes]

WEIGHT = 0.8


@pytest.fixture(scope="module")
def network() -> Perceptron:
    """Impostor means that differ from face to face by about 0.1."""
    weights = np.random.default_rng(0).normal(0, 0.1, (read_manifest(SHIPPED).dimension, 1))
    return Perceptron((weights.astype(np.float32),), (np.zeros(1, dtype=np.float32),))


@pytest.fixture(scope="module")
def normalised(
    make_client: MakeClient, tmp_path_factory: pytest.TempPathFactory, network: Perceptron
) -> TestClient:
    """A service whose model normalises scores."""
    folder: Path = with_normalisation(tmp_path_factory.mktemp("model"), network, WEIGHT)
    return make_client(face_model=str(folder), default_vocabulary="")


def embedding(client: TestClient, image: bytes) -> Vector:
    [face] = client.post("/embed", files=upload(image)).json()["faces"]
    return np.array(face["embedding"], dtype=np.float32)


def correction(network: Perceptron, *faces: Vector) -> float:
    """What the impostor means of a pair add to its threshold."""
    return float(WEIGHT / 2 * network.predict(np.stack(faces)).sum())


def test_the_threshold_of_a_pair_is_moved_by_both_impostor_means(
    normalised: TestClient, client: TestClient, network: Perceptron, photos: Photos
) -> None:
    files = {**upload(photos["obama"], "image_a"), **upload(photos["biden"], "image_b")}
    answers = [one.post("/verify", files=files).json() for one in (normalised, client)]
    faces = [embedding(normalised, photos[name]) for name in ("obama", "biden")]
    assert answers[0]["similarity"] == pytest.approx(answers[1]["similarity"], abs=1e-4)
    moved = answers[0]["threshold"] - answers[1]["threshold"]
    assert moved == pytest.approx(correction(network, *faces), abs=1e-3)
    assert abs(moved) > 0.01
    fixed = normalised.post("/verify", files=files, data={"threshold": "0.4"}).json()
    assert fixed["threshold"] == 0.4


def test_candidates_are_ranked_by_what_they_exceed_their_own_threshold_by(
    normalised: TestClient, network: Perceptron, photos: Photos
) -> None:
    names = ("obama", "biden", "astronaut")
    for name in names:
        enroll(normalised, photos[name], name)
    probe = embedding(normalised, photos["obama2"])
    answer = normalised.post("/identify", files=upload(photos["obama2"])).json()
    [face] = answer["faces"]
    assert face["decision"] == "match"
    assert face["person"]["name"] == "obama"
    assert {one["name"] for one in face["candidates"]} == set(names)
    for one in face["candidates"]:
        template = embedding(normalised, photos[one["name"]])
        expected = answer["threshold"] + correction(network, probe, template)
        assert one["threshold"] == pytest.approx(expected, abs=1e-3)
    margins = [one["similarity"] - one["threshold"] for one in face["candidates"]]
    assert margins == sorted(margins, reverse=True)
