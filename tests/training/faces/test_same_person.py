"""Corrected labels."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="requires the extra `train`")

from app.settings import PROJECT
from tests.training.faces.patterns import synthetic_crops
from training.faces.children import adults
from training.faces.same_person import merge_identities, people_of


def test_corrected_labels_apply_to_crops_without_an_identity() -> None:
    crops = synthetic_crops(1, 4)
    crops = replace(
        crops,
        files=np.array(["00114.webp", "09571.webp", "not-in-the-list.webp", "another.webp"]),
        identity=np.array(["", "", "", "named"]),
    )
    people = people_of(crops)
    assert people[0] == people[1]
    assert len(set(people)) == 3
    assert people[3] == "named"


def test_a_person_with_two_names_has_one_identity() -> None:
    crops = replace(
        synthetic_crops(1, 4), identity=np.array(["celeba-6820", "celeba-215", "celeba-1", ""])
    )
    merged = merge_identities(crops).identity.tolist()
    assert merged == ["celeba-215", "celeba-215", "celeba-1", ""]


def test_a_listed_child_without_an_age_is_no_adult() -> None:
    listed = (PROJECT / "training/labels/children.csv").read_text().splitlines()[-1]
    crops = replace(
        synthetic_crops(1, 4),
        files=np.array(["a.webp", "b.webp", "c.webp", listed]),
        age=np.array([17, 18, -1, -1]),
    )
    assert adults(crops).tolist() == [False, True, True, False]
