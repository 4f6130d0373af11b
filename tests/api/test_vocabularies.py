"""Tests the vocabulary endpoints: upload, editing, export, deletion; invalid files."""

import gzip
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.words.writers import write_word2vec_binary, write_word2vec_text
from tests.conftest import MakeClient

RNG = np.random.default_rng(3)
WORDS = [f"word{number}" for number in range(2_500)]
VECTORS = RNG.normal(size=(2_500, 8)).astype(np.float32)


def text_file(words: list[str] = WORDS, vectors: np.ndarray = VECTORS) -> bytes:
    pairs = iter(list(zip(words, vectors, strict=True)))
    return b"".join(write_word2vec_text(len(words), vectors.shape[1], pairs))


@pytest.fixture(scope="module")
def app(make_client: MakeClient) -> TestClient:
    return make_client(max_vocabulary_bytes=2_000_000)


@pytest.fixture
def client(app: TestClient) -> Iterator[TestClient]:
    yield app
    for vocabulary in app.get("/vocabularies").json()["vocabularies"]:
        app.delete(f"/vocabularies/{vocabulary['name']}")


def upload(
    client: TestClient,
    content: bytes,
    name: str = "mine",
    more: dict[str, bytes] | None = None,
    **fields: str,
) -> dict[str, Any]:
    files = {"file": ("vectors", content), **{k: (k, v) for k, v in (more or {}).items()}}
    answer = client.post("/vocabularies", files=files, data={"name": name, **fields})
    return {"status": answer.status_code, **answer.json()}


def nearest(client: TestClient, word: str, k: int = 3) -> list[str]:
    answer = client.get(f"/words/{word}/nearest", params={"vocabulary": "mine", "k": k})
    return [neighbor["word"] for neighbor in answer.json()["neighbors"]]


def expected(row: int, k: int) -> list[str]:
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit[row]))
    return [WORDS[found] for found in order if found != row][:k]


@pytest.mark.parametrize("kind", ["text", "binary", "glove", "gzip", "npy"])
def test_every_format_creates_the_same_vocabulary(client: TestClient, kind: str) -> None:
    more = {}
    if kind == "npy":
        stream = io.BytesIO()
        np.save(stream, VECTORS)
        content, more = stream.getvalue(), {"words": "\n".join(WORDS).encode()}
    elif kind == "binary":
        pairs = iter(list(zip(WORDS, VECTORS, strict=True)))
        content = b"".join(write_word2vec_binary(2_500, 8, pairs))
    else:
        content = text_file()
        content = content.split(b"\n", 1)[1] if kind == "glove" else content
        content = gzip.compress(content) if kind == "gzip" else content
    created = upload(client, content, more=more)
    assert (created["status"], created["words"], created["dimension"]) == (201, 2_500, 8)
    assert nearest(client, "word7") == expected(7, 3)
    answer = client.get("/words/word41", params={"vocabulary": "mine"}).json()
    assert answer["rank"] == 42


ONE = b"x 1 2 3 4 5 6 7"
Damage = Callable[[list[bytes]], list[bytes]]
INVALID: dict[str, tuple[Damage, str]] = {
    "too few numbers": (lambda lines: [*lines[:1500], b"x 1 2", *lines[1501:]], "line 1501"),
    "not a number": (lambda lines: [*lines[:9], ONE + b" nan", *lines[10:]], "line 10"),
    "a duplicate word": (lambda lines: [*lines[:-1], lines[1]], "line 2501"),
    "not UTF-8": (lambda lines: [*lines[:-1], b"\xff" + ONE + b" 8"], "line 2501"),
    "a very long line": (lambda lines: [*lines[:3], b"y " + b"1" * 1_000_000], "line 4"),
    "fewer than announced": (lambda lines: lines[:-1], "line 1"),
}


@pytest.mark.parametrize("what", list(INVALID))
def test_an_invalid_file_is_refused_with_its_line_and_stores_nothing(
    client: TestClient, what: str
) -> None:
    damage, where = INVALID[what]
    answer = upload(client, b"\n".join(damage(text_file().splitlines())))
    assert answer["status"] == 422, answer
    assert answer["code"] == "validation_error"
    assert answer["errors"][0]["where"] == where
    assert client.get("/vocabularies").json()["vocabularies"] == []
    assert upload(client, text_file())["status"] == 201, "the name is still available"


def test_gzip_bombs_and_large_files_are_refused(client: TestClient) -> None:
    bomb = gzip.compress(
        text_file() + b"".join(b"z%d 0 0 0 0 0 0 0 0\n" % n for n in range(200_000))
    )
    assert len(bomb) < 2_000_000
    answer = upload(client, bomb)
    assert answer["status"] == 422
    assert "larger than 2,000,000 bytes" in answer["detail"]
    giant = upload(client, b"a 1 2\n" * 400_000)
    assert (giant["status"], giant["code"]) == (413, "file_too_large")
    assert client.get("/vocabularies").json()["vocabularies"] == []


def test_invalid_uploads_are_refused(client: TestClient) -> None:
    assert client.post("/vocabularies", content=b"x").status_code == 415
    assert client.post("/vocabularies", files={"file": b"a 1 2\n"}).status_code == 422
    assert upload(client, b"a 1 2\n", name="no/slash")["status"] == 422
    assert upload(client, b"a 1 2\n", more={"other": b"x"})["status"] == 422
    assert upload(client, text_file())["status"] == 201
    assert upload(client, text_file())["code"] == "collection_exists"


def test_a_word_is_set_found_replaced_and_deleted(client: TestClient) -> None:
    upload(client, text_file())
    path = "/vocabularies/mine/words/either/or"
    near_seven = (VECTORS[7] * 3).tolist()
    put = client.put(path, json={"vector": near_seven})
    assert (put.status_code, put.json()["rank"]) == (201, 2_501)
    assert nearest(client, "word7", 1) == ["either/or"]
    assert client.put(path, json={"vector": (-VECTORS[7]).tolist()}).status_code == 200
    assert nearest(client, "word7") == expected(7, 3)
    assert client.get("/vocabularies/mine").json()["words"] == 2_501

    assert client.delete(path).status_code == 204
    assert client.delete(path).json()["code"] == "word_not_found"
    assert client.get("/vocabularies/mine").json()["words"] == 2_500
    assert client.put(path, json={"vector": [1.0, 2.0]}).status_code == 422
    assert client.put(path, json={"vector": [0.0] * 8}).status_code == 422
    unknown = "/vocabularies/unknown/words/x"
    assert client.put(unknown, json={"vector": [1.0] * 8}).json()["code"] == "vocabulary_not_found"


@pytest.mark.parametrize("kind", ["word2vec-text", "word2vec-binary"])
def test_an_exported_vocabulary_can_be_uploaded(client: TestClient, kind: str) -> None:
    upload(client, text_file())
    file = client.get("/vocabularies/mine/export", params={"format": kind}).content
    assert upload(client, file, name="again")["words"] == 2_500
    first, second = (
        client.get("/words/word99", params={"vocabulary": name}).json()["vector"]
        for name in ("mine", "again")
    )
    assert np.abs(np.subtract(first, second)).max() < 1e-5
    assert client.get("/vocabularies/unknown/export").status_code == 404


def test_export_for_the_projector(client: TestClient) -> None:
    upload(client, text_file())
    export = "/vocabularies/mine/export"
    vectors = client.get(export, params={"format": "projector-vectors"}).text.splitlines()
    words = client.get(export, params={"format": "projector-words"}).text.splitlines()
    assert words == WORDS
    assert len(vectors) == 2_500
    assert len(vectors[0].split("\t")) == 8


PERSIAN = "پرتقال 1 0 0\nآب 0.9 0.3 0\nكتاب 0 0 1\nکتاب 1 1 1\nمی‌خواهم 0 1 0\n".encode()


def test_persian_spellings_of_a_word_find_the_same_word(client: TestClient) -> None:
    """Arabic or Persian kaf, with or without the zero-width non-joiner, in file and query."""
    created = upload(client, PERSIAN, normalisation="persian")
    assert (created["words"], created["normalisation"]) == (4, "persian"), (
        "two spellings are folded into one word"
    )
    for spelling in ("کتاب", "كتاب", "کِتاب"):
        answer = client.get(f"/words/{spelling}", params={"vocabulary": "mine"}).json()
        assert (answer["word"], answer["canonical"], answer["rank"]) == (spelling, "کتاب", 3)
    assert nearest(client, "میخواهم", 4) == nearest(client, "می‌خواهم", 4)
    assert nearest(client, "پرتقال", 1) == ["آب"]
    sentence = {"model": "mine", "input": "من آب پرتقال مي‌خواهم"}
    answer = client.post("/v1/embeddings", json=sentence).json()
    assert answer["data"][0]["out_of_vocabulary"] == ["من"]
    put = client.put("/vocabularies/mine/words/كتاب", json={"vector": [0, 1, 0]})
    assert (put.status_code, put.json()["canonical"]) == (200, "کتاب")


def test_the_policy_lowercase_tries_lower_case(client: TestClient) -> None:
    content = b"orange 1 0\njuice 0.9 0.1\nOslo 0 1\n"
    assert upload(client, content, unknown="lowercase")["unknown"] == "lowercase"
    answer = client.get("/words/ORANGE", params={"vocabulary": "mine"}).json()
    assert (answer["word"], answer["canonical"]) == ("ORANGE", "orange")
    assert nearest(client, "Orange", 1) == ["juice"], (
        "another spelling of the word itself is not a neighbor"
    )
    assert client.get("/words/oslo", params={"vocabulary": "mine"}).status_code == 404
    upload(client, content, name="strict")
    refused = client.get("/words/ORANGE", params={"vocabulary": "strict"}).json()
    assert refused["suggestions"] == ["orange"]
    assert upload(client, content, name="odd", unknown="title")["status"] == 422


def test_the_policy_skip_leaves_unknown_words_out_of_lists(
    client: TestClient,
) -> None:
    content = b"orange 1 0\njuice 0.9 0.1\nOslo 0 1\ncereal 0.8 0.3\n"
    upload(client, content, unknown="skip")
    mine = {"vocabulary": "mine"}
    query = {"positive": ["Orange", "qwertz"], "negative": ["Oslo"], "k": 1, **mine}
    found = client.post("/words/nearest", json=query).json()
    assert [n["word"] for n in found["neighbors"]] == ["juice"]
    assert found["canonical"] == {"Orange": "orange", "qwertz": None, "Oslo": "Oslo"}
    pairs = {"pairs": [["orange", "qwertz"], ["orange", "juice"]], **mine}
    nothing, some = client.post("/words/similarity", json=pairs).json()["similarities"]
    assert nothing is None
    assert some == pytest.approx(0.9939, abs=1e-3)
    square = client.post("/words/similarity", json={"words": ["Oslo", "qwertz"], **mine}).json()
    assert square["similarities"] == [[pytest.approx(1), None], [None, None]]
    four = {"words": ["orange", "juice", "qwertz", "Oslo"], **mine}
    odd = client.post("/words/odd-one-out", json=four).json()
    assert (odd["word"], odd["similarities"][2], odd["canonical"]["qwertz"]) == ("Oslo", None, None)

    alone = client.get("/words/qwertz/nearest", params=mine)
    assert (alone.status_code, alone.json()["code"]) == (404, "word_not_found")
    assert (
        client.post("/words/odd-one-out", json={**four, "words": ["orange", "x", "y"]})
        .json()["detail"]
        .endswith("at least 3 must be")
    )


@pytest.mark.parametrize("path", ["/vocabularies/mine", "/collections/mine"])
def test_a_vocabulary_is_deleted_through_either_path(client: TestClient, path: str) -> None:
    upload(client, text_file())
    assert client.delete(path).status_code == 204
    assert client.get("/vocabularies/mine").json()["code"] == "vocabulary_not_found"
    assert client.delete("/vocabularies/mine").json()["code"] == "vocabulary_not_found"


def test_embeddings_of_another_dimension_are_refused(client: TestClient) -> None:
    upload(client, text_file())
    body = {"model": "mine", "input": "word1 word2", "dimensions": 9}
    refused = client.post("/v1/embeddings", json=body).json()
    assert refused["errors"] == [{"where": "dimensions", "message": "dimensions is 9; mine has 8"}]
