"""Tests the attribute signatures of DAP and the cache of label vectors."""

import pytest

from app.errors import InvalidRequest
from app.texts.space import Label
from app.zero_shot.classifier import Classifier, ScoringTask, attribute_signatures
from app.zero_shot.labels import LabelEmbedder
from tests.zero_shot.examples import CountingSpace


def test_attributes_that_a_label_does_not_list_are_absent() -> None:
    names, signatures, priors = attribute_signatures(
        [Label("a", attributes={"x": 1.0}), Label("b", attributes={"y": 0.5})]
    )
    assert names == ["x", "y"]
    assert signatures.tolist() == [[1.0, 0.0], [0.0, 0.5]]
    assert priors.tolist() == [0.5, 0.25]
    with pytest.raises(InvalidRequest, match="attributes"):
        attribute_signatures([Label("a"), Label("b")])


def test_labels_are_embedded_once_for_all_users_of_the_cache() -> None:
    space, labels = CountingSpace(), LabelEmbedder()
    task = ScoringTask((Label("one"), Label("three")))
    assert Classifier(labels).classify_text(space, "two", task).decision == "one"
    Classifier(labels).classify_text(space, "fours", task)
    labels.embed(space, task.labels)
    assert space.embedded == 2
    space.version = "2"
    labels.embed(space, task.labels)
    assert space.embedded == 4, "a new version of the space has other vectors"
