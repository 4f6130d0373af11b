"""Marks crops of children that the data gives no age."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.faces.crops import ADULT, CropSet

_LABELS = Path(__file__).parent.parent / "labels" / "children.csv"


def adults(crops: CropSet) -> NDArray[np.bool_]:
    """Mask of the crops of adults, shape (len(crops),).

    A crop without an age counts as an adult, unless `training/labels/children.csv` lists it: a crop
    that plainly shows a child. Children resemble one another more than adults do.
    """
    lines = _LABELS.read_text(encoding="utf-8").splitlines()
    children = {line for line in lines if not line.startswith("#")}
    listed = np.array([str(file) in children for file in crops.files], dtype=np.bool_)
    return ((crops.age >= ADULT) | (crops.age < 0)) & ~listed
