"""Completions of words and maps of the words around a word, on a vocabulary of four groups."""

import numpy as np
import pytest
from fastapi.testclient import TestClient

GROUPS = {"fruit": (1, 0, 0), "colour": (0, 1, 0), "number": (0, 0, 1)}
SIZE = 20


@pytest.fixture(scope="module")
def small(client: TestClient) -> TestClient:
    """A service with the vocabulary `small`: 60 words in three directions, in lower case."""
    noise = np.random.default_rng(0).normal(0, 0.1, (len(GROUPS) * SIZE, 3))
    words = [f"{name}{at}" for at in range(SIZE) for name in GROUPS]
    centers = [center for _ in range(SIZE) for center in GROUPS.values()]
    lines = [
        f"{word} " + " ".join(f"{value:.6f}" for value in np.add(center, shift))
        for word, center, shift in zip(words, centers, noise, strict=True)
    ]
    body = {"file": ("small.txt", "\n".join(lines).encode() + b"\n")}
    data = {"name": "small", "unknown": "lowercase"}
    assert client.post("/vocabularies", files=body, data=data).status_code == 201
    return client


def test_words_are_completed_most_frequent_first(small: TestClient) -> None:
    query: dict[str, str | int] = {"prefix": "Fruit1", "vocabulary": "small", "limit": 3}
    answer = small.get("/words", params=query).json()
    assert [one["word"] for one in answer["words"]] == ["fruit1", "fruit10", "fruit11"]
    ranks = [one["rank"] for one in answer["words"]]
    assert ranks == sorted(ranks)
    nothing = small.get("/words", params={"prefix": "%", "vocabulary": "small"}).json()
    assert nothing == {"words": [], "vocabulary": "small"}
    assert small.get("/words", params={"prefix": "", "vocabulary": "small"}).status_code == 422
    assert small.get("/words", params={"prefix": "a", "vocabulary": "no"}).status_code == 404


def test_a_map_places_the_neighbors_by_their_principal_components(small: TestClient) -> None:
    query: dict[str, str | int] = {"k": 59, "vocabulary": "small"}
    found = small.get("/words/Fruit0/map", params=query).json()
    points = found["points"]
    assert (points[0]["word"], points[0]["similarity"]) == ("fruit0", 1.0)
    assert len({one["word"] for one in points}) == 60
    nearest = small.get("/words/fruit0/nearest", params=query).json()["neighbors"]
    assert [one["word"] for one in points[1:]] == [one["word"] for one in nearest]
    # The plane has the variance of the two largest eigenvalues of the covariance.
    vectors = np.array(
        [
            small.get(f"/words/{one['word']}", params={"vocabulary": "small"}).json()["vector"]
            for one in points
        ]
    )
    values = np.linalg.eigvalsh(np.cov(vectors, rowvar=False, bias=True))[::-1]
    assert found["explained_variance"] == pytest.approx(values[:2] / values.sum(), abs=1e-3)
    spread = np.var([[one["x"], one["y"]] for one in points], axis=0)
    assert spread == pytest.approx(values[:2], abs=1e-4)
    assert small.get("/words/fruit0/map", params=query).json() == found


def test_groups_are_apart_on_the_map(small: TestClient) -> None:
    found = small.get("/words/fruit0/map", params={"k": 59, "vocabulary": "small"}).json()
    centers = {
        name: np.mean(
            [[p["x"], p["y"]] for p in found["points"] if p["word"].startswith(name)], axis=0
        )
        for name in GROUPS
    }
    for point in found["points"]:
        place = np.array([point["x"], point["y"]])
        near = min(centers, key=lambda name: float(np.linalg.norm(place - centers[name])))
        assert point["word"].startswith(near)


def test_maps_are_bounded(small: TestClient) -> None:
    for k in (1, 201):
        query: dict[str, str | int] = {"k": k, "vocabulary": "small"}
        assert small.get("/words/fruit0/map", params=query).status_code == 422
    unknown = small.get("/words/fruitx/map", params={"vocabulary": "small"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "word_not_found")
    assert unknown.json()["suggestions"]
