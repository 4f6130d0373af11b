"""Tests zero-shot scoring of texts, words and vectors in the default vocabulary."""

from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.zero_shot.requests import refused, score

RAIN = "it will rain all day tomorrow and the wind will be strong"
DATA = Path(__file__).parent.parent / "data" / "zero-shot"


def test_the_best_label_of_a_text(words: TestClient) -> None:
    found = score(words, text=RAIN, labels=["music", "weather", "cooking"])
    assert found["decision"] == found["labels"][0] == "weather"
    assert sum(found["scores"]) == pytest.approx(1.0)
    assert found["scores"] == sorted(found["scores"], reverse=True)
    assert (found["method"], found["vocabulary"]) == ("cosine", "glove-6b-50d")


def test_multi_label_scores_are_independent(words: TestClient) -> None:
    labels = ["weather", "wind", "opera"]
    found = score(words, text=RAIN, labels=labels, multi_label=True)
    by_name = dict(zip(found["labels"], found["scores"], strict=True))
    assert all(0.0 <= value <= 1.0 for value in by_name.values())
    assert by_name["weather"] > 0.9 < by_name["wind"]
    assert by_name["opera"] < 0.9


def test_no_label_is_decided_below_reject_below(words: TestClient) -> None:
    labels = ["opera", "algebra"]
    found = score(words, text=RAIN, labels=labels, multi_label=True, reject_below=0.99)
    assert found["decision"] is None
    assert len(found["labels"]) == 2, "the scores are returned anyway"


def test_keywords_increase_the_evidence(words: TestClient) -> None:
    text = "the keeper saved the penalty"
    plain = score(words, text=text, labels=["games", "law"], multi_label=True)
    more = {"name": "games", "keywords": ["goalkeeper", "football", "goal"]}
    described = score(words, text=text, labels=[more, "law"], multi_label=True)
    evidence = [
        dict(zip(f["labels"], f["evidence"], strict=True))["games"] for f in (plain, described)
    ]
    assert evidence[1] > evidence[0] + 0.5


@pytest.mark.parametrize(("name", "least"), [("topics", 0.8), ("requests", 0.7)])
def test_accuracy_on_the_sets_of_this_project(words: TestClient, name: str, least: float) -> None:
    """Measured: 0.925 and 0.800; random labels would have 1/8 and 1/7."""
    lines = (DATA / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    labels = sorted({label for label, _ in rows})
    hits = [score(words, text=text, labels=labels)["decision"] == label for label, text in rows]
    assert np.mean(hits) >= least


def test_a_word_a_vector_and_a_text_of_one_word_agree(words: TestClient) -> None:
    labels = ["animal", "vehicle", "fruit"]
    word = score(words, word="kitten", labels=labels)
    assert word["decision"] == "animal"
    vector = words.get("/words/kitten").json()["vector"]
    for other in (
        score(words, vector=vector, labels=labels),
        score(words, text="kitten", labels=labels),
    ):
        assert other["labels"] == word["labels"]
        assert other["scores"] == pytest.approx(word["scores"], abs=1e-5)


def test_unknown_words_are_reported_or_refused(words: TestClient) -> None:
    found = score(words, text="rain qwxyzq", labels=["weather zzqqx", "music"])
    assert found["out_of_vocabulary"] == ["qwxyzq", "zzqqx"]
    assert refused(words, text="qwxyzq", labels=["weather"])[:2] == (422, "validation_error")
    status, code, detail = refused(words, text="rain", labels=["weather", "zzqqx"])
    assert (status, code) == (422, "validation_error")
    assert "zzqqx" in detail
    assert refused(words, word="qwxyzq", labels=["weather"])[:2] == (404, "word_not_found")


def test_explanations_name_the_words_and_attributes_with_the_largest_effects(
    words: TestClient,
) -> None:
    found = score(words, text="the orchestra played at noon", labels=["music", "law"], explain=True)
    explanation = found["explanation"]
    assert explanation["label"] == "music"
    assert explanation["words"][0]["name"] == "orchestra"
    assert explanation["words"][0]["effect"] > 0
    bird = {"name": "thing", "attributes": {"feathers": 1, "concrete": 0.5}}
    found = score(words, text="it has a beak and wings", labels=[bird, "law"], explain=True)
    effects = {e["name"]: e["effect"] for e in found["explanation"]["attributes"]}
    assert effects["feathers"] > effects["concrete"]


def test_dap_recognises_classes_by_their_attributes(words: TestClient) -> None:
    labels = [
        {"name": "cat", "attributes": {"whiskers": 1, "fur": 1, "wings": 0, "wheels": 0}},
        {"name": "bird", "attributes": {"wings": 1, "feathers": 1, "wheels": 0}},
        {"name": "car", "attributes": {"wheels": 1, "engine": 1, "fur": 0}},
    ]
    for text, label in (
        ("it has whiskers and soft fur", "cat"),
        ("it has feathers on both wings", "bird"),
        ("the truck needs a new motor", "car"),
    ):
        assert score(words, text=text, labels=labels, method="dap")["decision"] == label


def test_conse_uses_the_seen_classes(words: TestClient) -> None:
    found = score(
        words,
        text="a fluffy kitten and a puppy",
        method="conse",
        seen=["dog", "cat", "car", "tree"],
        labels=["tiger", "truck", "forest"],
    )
    assert found["decision"] == "tiger"
    assert refused(words, text="a", method="conse", labels=["tiger", "truck"])[1] == (
        "validation_error"
    )


def test_seen_penalty_lowers_the_seen_classes(words: TestClient) -> None:
    """Generalised zero-shot: seen and unseen labels compete."""
    body = {"text": "the cat sleeps", "labels": ["cat", "pet"], "seen": ["cat"]}
    assert score(words, **body)["decision"] == "cat"
    assert score(words, **body, seen_penalty=10.0)["decision"] == "pet"


def test_background_texts_of_the_request_replace_the_default(words: TestClient) -> None:
    """If every background text is about the weather, weather is less evidence."""
    body = {"text": "rain and a football match", "labels": ["weather", "sport"]}
    usual = ["rain in the morning", "rain and wind", "sun and rain", "rain again", "more rain"]
    plain = dict(zip(*(score(words, **body)[k] for k in ("labels", "evidence")), strict=True))
    own = score(words, **body, background=usual)
    special = dict(zip(own["labels"], own["evidence"], strict=True))
    assert special["sport"] - special["weather"] > plain["sport"] - plain["weather"]


def test_fewer_than_three_background_texts_with_known_words_are_refused(words: TestClient) -> None:
    for background in (["qwxyzq"], ["rain"], ["rain", "sun", "zzqqx"]):
        found = refused(words, text=RAIN, labels=["weather"], background=background)
        assert found[:2] == (422, "validation_error")


def test_an_explanation_without_the_only_attribute_is_left_out(words: TestClient) -> None:
    labels = [{"name": "zzqqx", "attributes": {"wings": 1}}, {"name": "law"}]
    for method in ("cosine", "dap"):
        found = score(words, text="two wings", labels=labels, method=method, explain=True)
        assert found["explanation"]["label"] == "zzqqx"
        assert found["explanation"]["attributes"] == []


def test_invalid_requests_are_refused(words: TestClient) -> None:
    good = {"text": RAIN, "labels": ["weather"]}
    for body in (
        {"labels": ["a"]},
        {**good, "word": "rain"},
        {**good, "labels": []},
        {**good, "labels": ["a", "a"]},
        {**good, "method": "eszsl"},
        {**good, "method": "guess"},
        {**good, "method": "dap"},
        {**good, "projection": "unknown", "method": "cosine", "extra": 1},
        {"vector": [1.0, 2.0], "labels": ["weather"]},
    ):
        assert refused(words, **body)[:2] == (422, "validation_error"), body
    assert refused(words, **good, vocabulary="unknown")[:2] == (404, "vocabulary_not_found")
    assert refused(words, **good, projection="unknown")[:2] == (404, "projection_not_found")


def test_labels_with_too_many_words_are_refused_and_a_long_text_is_not(words: TestClient) -> None:
    flood = [{"name": f"a{n}", "description": "house " * 400} for n in range(300)]
    assert refused(words, text=RAIN, labels=flood)[:2] == (422, "validation_error")
    known = [n["word"] for n in words.get("/words/rain/nearest?k=1000").json()["neighbors"]]
    long = score(words, text=" ".join(known * 2), labels=known)
    assert len(long["labels"]) == 1000


def test_the_error_of_an_ambiguous_input_names_what_was_sent(words: TestClient) -> None:
    detail = refused(words, text=RAIN, word="rain", labels=["weather"])[2]
    expected = "exactly one of text, word, vector and image is required; sent: text, word"
    assert detail == expected
