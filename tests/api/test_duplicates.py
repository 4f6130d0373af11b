"""Likely duplicates of a gallery over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conftest import MakeClient, enroll

Photos = dict[str, bytes]
PATH = "/collections/default/duplicates"


@pytest.fixture
def crowd(client: TestClient, photos: Photos) -> dict[str, Any]:
    """One person enrolled twice, and another one, by name."""
    client.delete("/collections/default")
    names = {"Barack": "obama", "Biden": "biden", "Obama": "obama3"}
    return {
        name: enroll(client, photos[photo], name, on_duplicate="allow")
        for name, photo in names.items()
    }


def pairs(client: TestClient, **query: object) -> dict[str, Any]:
    response = client.get(PATH, params={name: str(value) for name, value in query.items()})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_a_person_who_is_enrolled_twice_is_listed_once(
    client: TestClient, crowd: dict[str, Any]
) -> None:
    found = pairs(client)
    assert (found["examined"], found["next_cursor"]) == (3, None)
    [pair] = found["pairs"]
    assert (pair["a"]["name"], pair["b"]["name"]) == ("Barack", "Obama")
    assert pair["template_a"] == crowd["Barack"]["template_id"]
    assert pair["template_b"] == crowd["Obama"]["template_id"]
    assert 1 > pair["similarity"] >= pair["threshold"]
    assert 0 < pair["estimated_fmr"] < 0.01


def test_the_people_are_examined_page_by_page(client: TestClient, crowd: dict[str, Any]) -> None:
    cursor: Any = None
    names: list[tuple[str, str]] = []
    for _ in crowd:
        found = pairs(client, limit=1, **({"cursor": cursor} if cursor else {}))
        assert found["examined"] == 1
        names += [(pair["a"]["name"], pair["b"]["name"]) for pair in found["pairs"]]
        cursor = found["next_cursor"]
    assert cursor is None
    assert names == [("Barack", "Obama"), ("Obama", "Barack")]


def test_a_pair_that_was_decided_is_not_listed_again(
    client: TestClient, crowd: dict[str, Any]
) -> None:
    [pair] = pairs(client)["pairs"]
    for person, template in ((pair["a"], pair["template_b"]), (pair["b"], pair["template_a"])):
        path = f"/persons/{person['person_id']}/not-this"
        assert client.post(path, json={"template_id": template}).status_code == 201
    assert pairs(client)["pairs"] == []


def test_a_merged_pair_is_not_listed_again(client: TestClient, crowd: dict[str, Any]) -> None:
    [pair] = pairs(client)["pairs"]
    path = f"/persons/{pair['b']['person_id']}/merge"
    assert client.post(path, json={"into": pair["a"]["person_id"]}).status_code == 200
    found = pairs(client)
    assert (found["pairs"], found["examined"]) == ([], 2)


def test_the_rate_decides_who_is_similar(client: TestClient, crowd: dict[str, Any]) -> None:
    [usual] = pairs(client)["pairs"]
    loose = pairs(client, target_fpir=0.5)["pairs"][0]
    assert loose["similarity"] == usual["similarity"]
    assert loose["threshold"] < usual["threshold"] < usual["similarity"]
    assert pairs(client, target_fpir=1e-9)["pairs"] == []


def test_an_empty_gallery_and_people_without_photos(make_client: MakeClient) -> None:
    client = make_client()
    assert pairs(client) == {"pairs": [], "examined": 0, "next_cursor": None}
    assert client.get("/collections/nothing/duplicates").status_code == 404
    assert client.get(PATH, params={"limit": 201}).status_code == 422
