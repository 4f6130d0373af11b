"""Searches of galleries with enough people: who resembles many needs a higher similarity."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.faces.decisions.thresholds import Thresholds
from app.inference.manifest import SearchCalibration, SearchTable, read_manifest
from app.store.collections import get_collection
from app.store.visitors import add_visitor, open_visitors
from app.timings import Timings
from app.vectors import Matrix
from tests.conftest import MakeClient, services_of, upload
from tests.models import SHIPPED, with_search
from tests.store.galleries import add_people

DIMENSION = read_manifest(SHIPPED).dimension
TABLE = SearchTable(people=(301,), fpir=(0.1, 0.01), threshold=((0.3, 0.4),))
SEARCH = SearchCalibration(weight=0.5, pairs=TABLE, probes=TABLE)


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
    """A service with galleries of 9, 50 and 301 people, none of whom resemble each other."""
    folder = with_search(tmp_path_factory.mktemp("model"), SEARCH)
    client = make_client(face_model=str(folder), default_vocabulary="")
    add_gallery(client, "tiny", directions(9))
    add_gallery(client, "small", directions(50))
    add_gallery(client, "large", np.concatenate([directions(250), -directions(151)[100:]]))
    return client


def add_gallery(client: TestClient, name: str, embeddings: Matrix) -> None:
    """A gallery of people with one template each, P0, P1, …"""
    assert client.post("/collections", json={"name": name}).status_code == 201
    add_people(services_of(client).database, name, embeddings[:, None])


def alike(count: int) -> Matrix:
    """People of whom the first eight have a similarity of 0.35 to each other."""
    people = directions(count)
    people[:8] *= np.sqrt(0.65)
    people[:8, 100] = np.sqrt(0.35)
    return people


def identify(client: TestClient, embedding: list[float], **fields: object) -> dict[str, Any]:
    """The answer of /identify about one embedding, with its only face."""
    answer = client.post("/identify", json={"embedding": embedding, "collection": "small"} | fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    face: dict[str, Any] = found["faces"][0]
    return found | face


@pytest.mark.parametrize("collection", ["small", "large"])
def test_the_threshold_rises_with_the_resemblance_to_others(
    gallery: TestClient, collection: str
) -> None:
    clear, crowded = (identify(gallery, one, collection=collection) for one in (CLEAR, CROWDED))
    assert (clear["decision"], crowded["decision"]) == ("match", "unknown")
    assert clear["person"]["name"] == "P0"
    for answer, threshold in ((clear, 0.4), (crowded, 0.4 + 0.5 * 0.35)):
        assert answer["threshold"] == pytest.approx(threshold, abs=1e-4)
        assert answer["target_fpir"] == 0.01
        needed = [one["threshold"] for one in answer["candidates"]]
        assert needed == pytest.approx([threshold] * len(needed), abs=1e-4)
        assert answer["candidates"][0]["similarity"] == pytest.approx(0.45, abs=1e-4)


def test_in_a_small_gallery_the_person_found_must_not_resemble_others_either(
    gallery: TestClient,
) -> None:
    """The probe resembles P0 only, and P0 seven others: 0.35 times one half."""
    add_gallery(gallery, "alike", alike(50))
    add_gallery(gallery, "many-alike", np.concatenate([alike(250), -directions(251)[200:]]))
    found = probe(p0=0.45 / np.sqrt(0.65))
    small = identify(gallery, found, collection="alike")
    large = identify(gallery, found, collection="many-alike")
    assert (small["decision"], large["decision"]) == ("unknown", "match")
    assert small["candidates"][0]["threshold"] == pytest.approx(0.4 + 0.5 * 0.35, abs=1e-4)
    assert large["candidates"][0]["threshold"] == pytest.approx(0.4, abs=1e-4)


def test_the_resemblance_of_a_person_follows_the_gallery(gallery: TestClient) -> None:
    """Six people join who resemble P0 (0.5), but not the probe."""
    add_gallery(gallery, "growing", directions(20))
    before = identify(gallery, CLEAR, collection="growing")
    similar = np.zeros((6, DIMENSION), dtype=np.float32)
    similar[:, 0] = 0.5
    similar[:, DIMENSION - 1] = -0.225 / np.sqrt(1.0 - 0.45**2)
    similar[np.arange(6), np.arange(60, 66)] = np.sqrt(1.0 - np.square(similar[0]).sum())
    assert np.abs(similar @ np.array(CLEAR)).max() < 1e-6
    add_people(services_of(gallery).database, "growing", similar[:, None])
    after = identify(gallery, CLEAR, collection="growing")
    for answer, threshold in ((before, 0.4), (after, 0.4 + 0.5 * 0.5)):
        assert answer["candidates"][0]["threshold"] == pytest.approx(threshold, abs=1e-4)


def test_two_others_do_not_count(gallery: TestClient) -> None:
    """They may be a twin, or the same person under another name."""
    twins = identify(gallery, probe(p0=0.45, p1=0.4))
    assert twins["threshold"] == pytest.approx(0.4, abs=1e-4)


def test_one_candidate_is_judged_like_many(gallery: TestClient) -> None:
    one = identify(gallery, CROWDED, top_k=1)
    assert len(one["candidates"]) == 1
    assert one["threshold"] == identify(gallery, CROWDED, top_k=20)["threshold"]


def test_a_tiny_gallery_has_one_threshold_for_all(gallery: TestClient) -> None:
    answers = [identify(gallery, one, collection="tiny") for one in (CLEAR, CROWDED)]
    expected = Thresholds.of(read_manifest(SHIPPED)).for_fpir(0.01, 9)
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
    second = np.array([probe(p0=0.1 / np.sqrt(0.65), p100=np.sqrt(0.35))], dtype=np.float32)
    clear = np.array([CLEAR], dtype=np.float32)
    galleries = {"clear": [directions(50), clear], "crowded": [alike(50), second]}
    for name, expected in (("clear", 1), ("crowded", 0)):
        people = np.concatenate(galleries[name])
        assert float(people[0] @ people[-1]) == pytest.approx(0.45)
        add_gallery(gallery, name, people)
        found = gallery.get(f"/collections/{name}/duplicates").json()
        assert len(found["pairs"]) == expected


@pytest.mark.parametrize("embedding", [CLEAR, CROWDED])
def test_single_faces_and_users_are_graded_alike(
    gallery: TestClient, embedding: list[float]
) -> None:
    """For clients of Rekognition, with the thresholds of stricter rates above that of the pair."""
    expected = identify(gallery, embedding)["candidates"][0]["threshold"]
    searcher = services_of(gallery).face_searcher
    best = searcher.faces("small", np.array(embedding, dtype=np.float32), 5, Timings())[0]
    assert best.person.name == "P0"
    assert best.graded.judgement.threshold == pytest.approx(expected, abs=1e-4)
    assert best.graded.strict == pytest.approx(expected + 0.1, abs=1e-4)
    assert best.graded.strictest == pytest.approx(expected + 0.2, abs=1e-4)


def test_visitors_are_recognised_alike(gallery: TestClient, photos: dict[str, bytes]) -> None:
    """A visitor with a similarity of 0.45 is seen again, unless six others resemble the face."""
    [face] = gallery.post("/embed", files=upload(photos["obama"])).json()["faces"]
    seen = np.array(face["embedding"])
    others = np.linalg.svd(seen[None])[2][1:]  # orthogonal to the face and to each other
    for name, resemblance in (("clear", 0.0), ("crowded", 0.35)):
        similarity = np.array([0.45, *[resemblance] * 6, *[0.0] * 5])[:, None]
        known = similarity * seen + np.sqrt(1.0 - similarity**2) * others[: len(similarity)]
        visited = f"visited-{name}"
        new = {"name": visited, "visitors": {"days": 3}}
        assert gallery.post("/collections", json=new).status_code == 201
        services = services_of(gallery)
        with services.database.write() as session:
            room = get_collection(session, visited)
            for vector in known.astype(np.float32):
                inside = open_visitors(session, room)
                add_visitor(session, inside, vector, 0.5, timedelta(days=3))
        answer = gallery.post(
            "/identify", files=upload(photos["obama"]), data={"collection": visited}
        ).json()
        [first, *_] = gallery.get(f"/collections/{visited}/visitors").json()["visitors"]
        again = answer["faces"][0]["visitor_id"] == first["visitor_id"]
        assert again == (name == "clear")
