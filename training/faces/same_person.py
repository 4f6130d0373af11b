"""Labels mended by eye: photos of one person that the data takes for different people's.

The photos without an identity are used as if each showed somebody else. For the pairs that decide
about a threshold this is often wrong: of the 270 most similar ones of the held-out eighth (by
the teacher and the first model together) 128 plainly show one person, some of them the same photo
twice. `training/labels/same-person.csv` names them; what is doubtful is not in it and stays an
impostor pair, so a measured false match rate is still an upper bound.
"""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.faces.crops import CropSet

_FILE = Path(__file__).parent.parent / "labels" / "same-person.csv"


def people_of(crops: CropSet) -> NDArray[np.str_]:
    """Who is on each crop: the identity, the mended one, or else the file's own name."""
    with _FILE.open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.reader(stream) if not row[0].startswith("#")]
    mended = {file: row[0] for row in rows for file in row}
    named = zip(crops.files, crops.identity, strict=True)
    return np.array([str(who) or mended.get(str(file), str(file)) for file, who in named])
