"""Tests which labels of faces are refused."""

import pytest

from app.errors import RefusedLabel
from app.zero_shot.refusals import refuse_sensitive


@pytest.mark.parametrize(
    ("label", "topic"),
    [
        ("Asian", "ethnicity"),
        ("a black person", "ethnicity"),
        ("muslims", "religion"),
        ("looks gay", "sexual orientation"),
        ("depressed", "health"),
        ("white", "ethnicity"),
    ],
)
def test_sensitive_labels_are_refused(label: str, topic: str) -> None:
    with pytest.raises(RefusedLabel, match=topic):
        refuse_sensitive("smiling", label)


def test_colours_of_hair_and_clothes_are_allowed() -> None:
    refuse_sensitive("black hair", "brown eyes", "white shirt", "straight hair", "smiling", "beard")
