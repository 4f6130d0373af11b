"""Searches of galleries with enough people: who resembles many needs a higher similarity."""

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.faces.decisions.thresholds import Thresholds
from app.inference.manifest import SearchCalibration, read_manifest
from app.vectors import Matrix
from tests.conftest import MakeClient, services_of
from tests.models import SHIPPED, with_search
from tests.store.galleries import add_people

DIMENSION = read_manifest(SHIPPED).dimension
SEARCH = SearchCalibration(
    weight=0.5, fewest_people=40, most_people=600, fpir=(0.1, 0.01), threshold=(0.3, 0.4)
)


def directions(count: int) -> Matrix:
    """People who do not resemble each other at all, shape (count, dimension)."""
    return np.eye(count, DIMENSION, dtype=np.float32)


def probe(**similarities: float) -> list[float]:
    """An embedding by its similarity to `p0`, `p1`, …; the rest resembles nobody."""
    vector = np.zeros(DIMENSION)
    for name, similarity in similarities.items():
        vector[int(name[1:])] = similarity
    vector[-1] = np.sqrt(1.0 - np.square(vector).sum())
    found: list[float] = vector.tolist()
    return found


CLEAR = probe(p0=0.45)
CROWDED = probe(p0=0.45, p1=0.35, p2=0.35, p3=0.35, p4=0.35, p5=0.35, p6=0.35)
"""As similar to the first person, but to six others as well."""


@pytest.fixture(scope="module")
def gallery(make_client: MakeClient, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A service with galleries of 39 and of 50 people, in which all have a similarity of 0."""
    folder = with_search(tmp_path_factory.mktemp("model"), SEARCH)
    client = make_client(face_model=str(folder), default_vocabulary="")
    for name, count in (("small", 39), ("large", 50)):
        assert client.post("/collections", json={"name": name}).status_code == 201
        add_people(services_of(client).database, name, directions(count)[:, None])
    return client


def identify(client: TestClient, embedding: list[float], **fields: object) -> dict[str, Any]:
    """The answer of /identify about one embedding, with its only face."""
    answer = client.post("/identify", json={"embedding": embedding, "collection": "large"} | fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    face: dict[str, Any] = found["faces"][0]
    return found | face


def test_the_threshold_rises_with_the_resemblance_to_others(gallery: TestClient) -> None:
    clear, crowded = identify(gallery, CLEAR), identify(gallery, CROWDED)
    assert (clear["decision"], crowded["decision"]) == ("match", "unknown")
    assert clear["person"]["name"] == "P0"
    for answer, threshold in ((clear, 0.4), (crowded, 0.4 + 0.5 * 0.35)):
        assert answer["threshold"] == pytest.approx(threshold, abs=1e-4)
        assert answer["target_fpir"] == 0.01
        needed = [one["threshold"] for one in answer["candidates"]]
        assert needed == pytest.approx([threshold] * len(needed), abs=1e-4)
        assert answer["candidates"][0]["similarity"] == pytest.approx(0.45, abs=1e-4)


def test_two_others_do_not_count(gallery: TestClient) -> None:
    """They may be a twin, or the same person under another name."""
    twins = identify(gallery, probe(p0=0.45, p1=0.4))
    assert twins["threshold"] == pytest.approx(0.4, abs=1e-4)


def test_one_candidate_is_judged_like_many(gallery: TestClient) -> None:
    one = identify(gallery, CROWDED, top_k=1)
    assert len(one["candidates"]) == 1
    assert one["threshold"] == identify(gallery, CROWDED, top_k=20)["threshold"]


def test_a_small_gallery_has_one_threshold_for_all(gallery: TestClient) -> None:
    answers = [identify(gallery, one, collection="small") for one in (CLEAR, CROWDED)]
    expected = Thresholds.of(read_manifest(SHIPPED)).for_fpir(0.01, 39)
    assert [one["threshold"] for one in answers] == [pytest.approx(expected, abs=1e-4)] * 2


def test_the_target_rate_of_a_request_moves_the_threshold(gallery: TestClient) -> None:
    assert identify(gallery, CLEAR, target_fpir=0.1)["threshold"] == pytest.approx(0.3, abs=1e-4)
    assert identify(gallery, CLEAR, target_fpir=0.001)["decision"] == "unknown"


def test_a_fixed_threshold_is_the_same_for_every_probe(gallery: TestClient) -> None:
    for embedding in (CLEAR, CROWDED):
        assert identify(gallery, embedding, threshold=0.44)["decision"] == "match"
        assert identify(gallery, embedding, threshold=0.46)["decision"] == "unknown"


def test_likely_duplicates_are_judged_alike(gallery: TestClient) -> None:
    """A pair with a similarity of 0.45 is listed, unless both resemble six others."""
    alike = directions(50)
    alike[:8] *= np.sqrt(0.65)
    alike[:8, 100] = np.sqrt(0.35)  # a similarity of 0.35 to each other
    second = np.array([probe(p0=0.1 / np.sqrt(0.65), p100=np.sqrt(0.35))], dtype=np.float32)
    clear = np.array([CLEAR], dtype=np.float32)
    galleries = {"clear": [directions(50), clear], "crowded": [alike, second]}
    for name, expected in (("clear", 1), ("crowded", 0)):
        people = np.concatenate(galleries[name])
        assert float(people[0] @ people[-1]) == pytest.approx(0.45)
        assert gallery.post("/collections", json={"name": name}).status_code == 201
        add_people(services_of(gallery).database, name, people[:, None])
        found = gallery.get(f"/collections/{name}/duplicates").json()
        assert len(found["pairs"]) == expected
