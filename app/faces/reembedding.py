"""Move a gallery to another model: photos that were kept are embedded anew, beside the service."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import DecryptionFailed, PeopleMissing, SimaError
from app.faces.pipeline.pipeline import FacePipeline
from app.store.collections import Collection, get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.shadow import (
    KeptPhoto,
    Known,
    add_twins,
    count_people_missing,
    count_photos_to_embed,
    counterpart_of,
    exchange,
    open_counterpart,
    people_missing,
    photos_to_embed,
)
from app.timings import Timings
from app.vectors import EmbeddingSpace, Vector

_BLOCK = 32  # photos between two transactions


@dataclass(frozen=True, slots=True)
class Begun:
    """A gallery, its counterpart, and how many photos wait to be embedded for it."""

    gallery: Collection
    counterpart: Collection
    photos: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run did. `refused` counts photos by the reason, `missing` people who have no
    template in the new space yet."""

    embedded: int
    refused: Counter[str]
    missing: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a gallery is from being found in its counterpart's space."""

    gallery: Collection
    counterpart: Collection
    missing: list[Known]


def begin(database: Database, name: str, space: EmbeddingSpace) -> Begun:
    """Open the counterpart in this space. Raises CollectionNotFound, ShadowExists."""
    with database.write() as session:
        counterpart = open_counterpart(session, name, space)
        gallery = get_collection(session, name, GALLERY)
        return Begun(gallery, counterpart, count_photos_to_embed(session, gallery, counterpart))


def embed_kept_photos(
    database: Database, pipeline: FacePipeline, begun: Begun, progress: Callable[[int], None]
) -> Outcome:
    """Fill the counterpart; `progress` is called with how many photos were looked at.

    May be stopped and run again: a photo that has its template is not looked at twice. Raises
    DecryptionFailed.
    """
    gallery, counterpart = begun.gallery, begun.counterpart
    refused: Counter[str] = Counter()
    embedded, last = 0, 0
    while True:
        with database.read() as session:
            photos = photos_to_embed(session, gallery, counterpart, last, _BLOCK)
        if not photos:
            break
        twins = [twin for photo in photos if (twin := _embed(pipeline, photo, refused)) is not None]
        with database.write() as session:
            embedded += add_twins(session, counterpart, twins)
        last = photos[-1].row_id
        progress(len(photos))
    with database.read() as session:
        missing = count_people_missing(session, gallery, counterpart)
    return Outcome(embedded, refused, missing)


def standing(database: Database, name: str) -> Standing:
    """Who must be photographed again. Raises CollectionNotFound, ShadowNotFound."""
    with database.read() as session:
        gallery = get_collection(session, name, GALLERY)
        counterpart = counterpart_of(session, gallery)
        return Standing(gallery, counterpart, people_missing(session, gallery, counterpart))


def change_over(database: Database, name: str, without_missing: bool) -> tuple[str, str]:
    """Cut-over, or roll-back: the names of the models before and after, in one transaction.

    Raises PeopleMissing where somebody would not be found any more, unless `without_missing`.
    """
    with database.write() as session:
        gallery, before = exchange(session, name)
        missing = count_people_missing(session, gallery, gallery)
        if missing and not without_missing:
            raise PeopleMissing(
                f"{missing} people of {name!r} have no template of {gallery.space.name}; "
                "photograph them again afterwards and say so with --without-missing"
            )
        return before.space.name, gallery.space.name


def _embed(
    pipeline: FacePipeline, photo: KeptPhoto, refused: Counter[str]
) -> tuple[KeptPhoto, Vector, float] | None:
    """The largest face, which is the one that was enrolled."""
    timings = Timings()
    try:
        face = pipeline.analyze(photo.image, timings).largest()
        vector = pipeline.embed([face], timings)[0]
    except DecryptionFailed:
        raise
    except SimaError as error:
        refused[error.code] += 1
        return None
    return photo, vector, face.quality.score
