"""The people of the crop shards that a model is measured on."""

import numpy as np
from numpy.typing import NDArray

from app.faces.decisions.measurement import Population
from app.faces.decisions.scores import LabelledFaces
from app.faces.pipeline.embed import Embedder
from training.faces.children import adults
from training.faces.crops import CropSet, held_out
from training.faces.same_person import people_of
from training.faces.targets import embed_crops

_UNLABELLED = ("utkface",)
"""Sources that show some people many times under no name: never impostor pairs."""

_SWAPPED = ("dfdc",)
"""Sources whose faces have no identity: not used at all."""

_FIT_CROPS = 16_000
_FEWEST_FACES = 8
_DESCRIPTION = (
    "people that training did not use: adults of {groups}; pairs within each group; every knot is "
    "the highest threshold of any group"
)


def measured_population(embedder: Embedder, crops: CropSet, seed: int = 0) -> Population:
    """Embed the crops that calibration needs: all held-out ones, and some more for the regressor.

    Impostor pairs are taken only within labelled identities and within sources that state one
    photo a person. Raises ValueError where no such set is large enough.
    """
    usable = ~np.isin(crops.source, _SWAPPED)
    unseen = held_out(crops)
    others = np.random.default_rng(seed).permutation(np.flatnonzero(usable & ~unseen))
    rows = np.sort(np.concatenate([np.flatnonzero(usable & unseen), others[:_FIT_CROPS]]))
    chosen, unseen = crops.take(rows), unseen[rows]
    person = people_of(chosen)
    nothing = np.zeros(len(chosen), dtype=np.float32)
    faces = LabelledFaces(embed_crops(embedder, chosen), person, chosen.group, nothing)
    adult = adults(chosen)
    groups = _groups(chosen, unseen & adult)
    return Population(
        faces=faces,
        strata=_strata(chosen),
        source=_data_sets(chosen),
        cohort=unseen & adult & ~np.isin(chosen.source, _UNLABELLED),
        genuine=unseen & (chosen.identity != ""),
        groups=groups,
        description=_DESCRIPTION.format(groups=", ".join(groups)),
    )


def one_photo_a_person(crops: CropSet) -> NDArray[np.bool_]:
    """Mask of the crops from sources that state one photo for each person, shape (n,)."""
    return ~np.isin(crops.source, (*_UNLABELLED, *_SWAPPED)) & (crops.identity == "")


def _strata(crops: CropSet) -> NDArray[np.str_]:
    """Group and source of each crop; the sources of labelled people are one."""
    labelled = np.where(crops.identity != "", "labelled", crops.source)
    return np.char.add(np.char.add(labelled.astype(str), "/"), crops.group.astype(str))


def _data_sets(crops: CropSet) -> NDArray[np.str_]:
    """The data set of each crop; celeba-small, celeba-large and celeba-test are parts of one."""
    return np.array([str(name).split("-")[0] for name in crops.source])


def _groups(crops: CropSet, usable: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Sets within which two names are two people: each labelled group, and the identities."""
    stated = usable & one_photo_a_person(crops)
    found = {
        str(name): stated & (crops.group == name)
        for name in np.unique(crops.group[stated & (crops.group != "")])
    }
    found["labelled identities"] = usable & (crops.identity != "")
    large = {name: rows for name, rows in found.items() if rows.sum() >= _FEWEST_FACES}
    if not large:
        raise ValueError(f"no set of people has {_FEWEST_FACES} held-out faces to measure")
    return large
