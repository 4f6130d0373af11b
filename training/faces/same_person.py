"""Applies manually corrected labels: photos of one person that the data labels as different.

Photos without an identity are treated as different people. For the pairs that determine a
threshold this is often wrong: of the 270 most similar pairs of the held-out eighth (by the teacher
and the first model together) 128 clearly show one person, some of them the same photo twice.
`training/labels/same-person.csv` lists them. Doubtful pairs are not listed and remain impostor
pairs, so a measured false match rate is still an upper bound.

`training/labels/same-identity.csv` lists names that the data gives to one person. Among the most
similar photos of different names, these pairs plainly show one person; the next ones are doubtful.
"""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.faces.crops import CropSet

_LABELS = Path(__file__).parent.parent / "labels"


def people_of(crops: CropSet) -> NDArray[np.str_]:
    """Identity of each crop: its label, else its corrected label, else its file name.

    Shape (len(crops),).
    """
    corrected = _first_names("same-person.csv")
    named = zip(crops.files, crops.identity, strict=True)
    return np.array(
        [str(identity) or corrected.get(str(file), str(file)) for file, identity in named]
    )


def merge_identities(crops: CropSet) -> CropSet:
    """The crops with one identity for each person whom the data gives several."""
    merged = _first_names("same-identity.csv")
    return replace(
        crops, identity=np.array([merged.get(str(name), str(name)) for name in crops.identity])
    )


def _first_names(file: str) -> dict[str, str]:
    """The first name of its line for each name in a file of labels."""
    with (_LABELS / file).open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.reader(stream) if not row[0].startswith("#")]
    return {name: row[0] for row in rows for name in row}
