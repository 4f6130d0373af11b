"""`ImageAnalysis`: selection of a single face."""

import numpy as np
import pytest

from app.errors import MultipleFaces, NoFace
from app.faces.pipeline.selection import ImageAnalysis
from app.faces.pipeline.types import Box, Detection, Face, Quality
from tests.faces.pipeline.faces import FRONTAL


def face(x: float, y: float, side: float) -> Face:
    """A square face; its crop is not used here."""
    detection = Detection(Box(x, y, side, side), FRONTAL, 0.9)
    return Face(detection, Quality(1.0, ()), np.zeros((8, 8, 3), dtype=np.uint8))


def test_no_face_raises_for_every_selection() -> None:
    empty = ImageAnalysis(100, 100, ())
    for select in (empty.only, empty.largest, empty.subject, empty.unrivalled_subject):
        with pytest.raises(NoFace):
            select()
    assert empty.select("subject") == empty.select("all") == ()


def test_only_raises_for_several_faces() -> None:
    one, other = face(10, 10, 40), face(60, 60, 30)
    assert ImageAnalysis(100, 100, (one,)).only() is one
    with pytest.raises(MultipleFaces) as raised:
        ImageAnalysis(100, 100, (one, other)).only()
    assert raised.value.count == 2


def test_the_subject_is_central_rather_than_largest() -> None:
    """Areas 1,600 and 900; squared distances from the centre 1,800 and 50."""
    at_the_edge, central = face(0, 0, 40), face(40, 40, 30)
    analysis = ImageAnalysis(100, 100, (at_the_edge, central))
    assert analysis.largest() is at_the_edge
    assert analysis.subject() is central


def test_the_subject_is_not_a_small_face_in_the_background() -> None:
    """A large face beside the centre is more prominent than a small one at the centre."""
    person, passer_by = face(100, 100, 240), face(490, 290, 30)
    analysis = ImageAnalysis(1000, 600, (person, passer_by))
    assert analysis.subject() is person
    assert analysis.unrivalled_subject() is person


def test_a_choice_names_one_face() -> None:
    at_the_edge, central = face(0, 0, 40), face(40, 40, 30)
    analysis = ImageAnalysis(100, 100, (at_the_edge, central))
    assert analysis.choose("largest") is at_the_edge
    assert analysis.choose("subject") is central
    with pytest.raises(MultipleFaces):
        analysis.choose("only")
    assert analysis.select("subject") == (central,)
    assert analysis.select("all") == (at_the_edge, central)


def test_only_a_face_of_half_the_area_rivals_the_subject() -> None:
    """Areas 1,600, 841 and 784."""
    subject, rival, bystander = face(30, 30, 40), face(0, 0, 29), face(0, 0, 28)
    assert ImageAnalysis(100, 100, (subject, bystander)).unrivalled_subject() is subject
    with pytest.raises(MultipleFaces):
        ImageAnalysis(100, 100, (subject, rival)).unrivalled_subject()


def test_a_larger_face_rivals_the_subject() -> None:
    at_the_edge, central = face(0, 0, 40), face(40, 40, 30)
    with pytest.raises(MultipleFaces):
        ImageAnalysis(100, 100, (at_the_edge, central)).unrivalled_subject()
