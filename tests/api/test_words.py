"""Tests the word endpoints on the default vocabulary of 400,000 words."""

import pytest
from fastapi.testclient import TestClient

from app.commands.setup import ensure_vocabulary
from tests.conftest import services_of


def nearest(client: TestClient, **query: object) -> list[str]:
    """The words that `POST /words/nearest` returns."""
    answer = client.post("/words/nearest", json=query)
    assert answer.status_code == 200, answer.text
    return [neighbor["word"] for neighbor in answer.json()["neighbors"]]


def test_a_word_has_a_unit_vector_and_a_rank(words: TestClient) -> None:
    answer = words.get("/words/orange").json()
    assert answer["in_vocabulary"] is True
    assert words.get("/words/the").json()["rank"] == 1 < answer["rank"]
    assert len(answer["vector"]) == 50
    assert sum(value**2 for value in answer["vector"]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("orange", {"yellow", "red", "blue"}), ("juice", {"lemon", "vinegar", "milk"})],
)
def test_neighbors_are_related_words(words: TestClient, word: str, expected: set[str]) -> None:
    answer = words.get(f"/words/{word}/nearest", params={"k": 10}).json()
    found = [neighbor["word"] for neighbor in answer["neighbors"]]
    similarities = [neighbor["similarity"] for neighbor in answer["neighbors"]]
    assert len(found) == 10
    assert word not in found
    assert expected & set(found)
    assert similarities == sorted(similarities, reverse=True)


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
@pytest.mark.parametrize(
    ("a", "b", "c", "d"),
    [("man", "king", "woman", "queen"), ("france", "paris", "italy", "rome")],
)
def test_analogies(words: TestClient, method: str, a: str, b: str, c: str, d: str) -> None:
    assert nearest(words, positive=[b, c], negative=[a], k=1, method=method) == [d]


def test_weighted_words_and_vectors_are_terms(words: TestClient) -> None:
    orange = words.get("/words/orange").json()["vector"]
    by_word = nearest(words, positive=["orange"], exclude=["orange"], k=5)
    assert nearest(words, vector=orange, exclude=["orange"], k=5) == by_word
    assert nearest(words, positive=[orange], k=1) == ["orange"], (
        "a vector term does not exclude its word"
    )
    heavy = [{"word": "orange", "weight": 50.0}, "king"]
    assert nearest(words, positive=heavy, k=3)[0] in by_word


def test_filters_limit_the_neighbors(words: TestClient) -> None:
    assert nearest(words, positive=["orange"], within=["juice", "car", "lemon"], k=2) == [
        "juice",
        "lemon",
    ]
    answer = words.get("/words/orange/nearest", params={"max_rank": 1500, "k": 5}).json()
    assert len(answer["neighbors"]) == 5
    assert all(neighbor["rank"] <= 1500 for neighbor in answer["neighbors"])
    wide = words.get("/words/orange/nearest", params={"max_rank": 60_000, "k": 5}).json()
    assert all(neighbor["rank"] <= 60_000 for neighbor in wide["neighbors"])
    close = words.get("/words/orange/nearest", params={"min_similarity": 0.75, "k": 50}).json()
    assert 0 < len(close["neighbors"]) < 50
    assert all(neighbor["similarity"] >= 0.75 for neighbor in close["neighbors"])


def test_similarities_of_pairs_and_of_all_words(words: TestClient) -> None:
    pairs = words.post(
        "/words/similarity", json={"pairs": [["cat", "dog"], ["cat", "tax"], ["cat", "cat"]]}
    ).json()["similarities"]
    assert pairs[0] > pairs[1]
    assert pairs[2] == pytest.approx(1.0, abs=1e-5)
    matrix = words.post("/words/similarity", json={"words": ["cat", "dog", "tax"]}).json()
    assert matrix["similarities"][0][1] == pytest.approx(pairs[0], abs=1e-6)
    both = {"pairs": [["a", "b"]], "words": ["a"]}
    assert words.post("/words/similarity", json=both).status_code == 422


def test_the_odd_one_out_is_the_unrelated_word(words: TestClient) -> None:
    answer = words.post(
        "/words/odd-one-out", json={"words": ["breakfast", "cereal", "dinner", "engine"]}
    ).json()
    assert answer["word"] == "engine"
    assert len(answer["similarities"]) == 4


@pytest.mark.parametrize(
    ("word", "suggestion"), [("Ornage", "orange"), ("ornage", "orange"), ("jüice", "juice")]
)
def test_an_unknown_word_is_404_with_suggestions(
    words: TestClient, word: str, suggestion: str
) -> None:
    for answer in (
        words.get(f"/words/{word}"),
        words.get(f"/words/{word}/nearest"),
        words.post("/words/nearest", json={"positive": [word]}),
        words.post("/words/odd-one-out", json={"words": ["cat", "dog", word]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "word_not_found")
        assert suggestion in answer.json()["suggestions"]


def test_capitalised_words_are_found_in_lower_case(words: TestClient) -> None:
    """All words of the default vocabulary are in lower case, and its policy says so."""
    capitalised, plain = (words.get(f"/words/{word}").json() for word in ("Orange", "orange"))
    assert (capitalised["word"], capitalised["canonical"]) == ("Orange", "orange")
    assert capitalised["vector"] == plain["vector"]
    assert nearest(words, positive=["Orange"], k=3) == nearest(words, positive=["orange"], k=3)


def test_invalid_queries_are_refused(words: TestClient) -> None:
    for query in (
        {},
        {"vector": [1.0, 2.0]},
        {"positive": ["cat"], "negative": ["cat"]},
        {"vector": [0.0] * 50},
        {"positive": ["cat"], "k": 0},
        {"positive": ["cat"], "method": "magic"},
        {"positive": ["cat"], "within": []},
    ):
        refused = words.post("/words/nearest", json=query)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_error"), query


def test_the_default_vocabulary_is_listed_and_others_are_not_found(words: TestClient) -> None:
    listed = words.get("/vocabularies").json()["vocabularies"]
    assert [(v["name"], v["words"], v["dimension"]) for v in listed] == [
        ("glove-6b-50d", 400_000, 50)
    ]
    for answer in (
        words.get("/vocabularies/klingon"),
        words.get("/words/cat", params={"vocabulary": "klingon"}),
        words.get("/words/cat", params={"vocabulary": "default"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "vocabulary_not_found")
    gallery = words.get("/persons", params={"collection": "glove-6b-50d"})
    assert gallery.json()["code"] == "collection_not_found", "a vocabulary is not a gallery"


def test_the_default_vocabulary_is_imported_once(words: TestClient) -> None:
    ensure_vocabulary(services_of(words).settings)
    assert words.get("/vocabularies/glove-6b-50d").json()["words"] == 400_000


def test_a_vector_of_another_dimension_is_named_in_the_error(words: TestClient) -> None:
    refused = words.post("/words/nearest", json={"vector": [1.0]}).json()
    expected = "vector has 1 component; the vocabulary 'glove-6b-50d' has 50"
    assert refused["errors"] == [{"where": "vector", "message": expected}]
