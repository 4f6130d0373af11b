"""Migrates galleries to another model by embedding their stored photos again."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.audit_events import AuditEvent
from app.errors import DecryptionFailed, PeopleMissing, SimaError
from app.faces.pipeline.pipeline import FacePipeline
from app.store.collections import Collection, get_collection
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.index_sync import IndexSync
from app.store.shadow import (
    cut_over,
    delete_shadow,
    get_shadow,
    open_shadow,
    roll_back,
)
from app.store.shadow_templates import (
    PersonName,
    ShadowTemplate,
    StoredPhoto,
    add_shadow_templates,
    count_people_without_template,
    count_photos_to_embed,
    people_without_template,
    photos_to_embed,
)
from app.timings import Timings
from app.vectors import EmbeddingSpace

_BLOCK = 32  # photos embedded between two transactions


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """A gallery, its shadow collection, and the number of stored photos to embed."""

    gallery: Collection
    shadow: Collection
    photos: int


@dataclass(frozen=True, slots=True)
class MigrationResult:
    """The outcome of one run. `refused` counts photos by error code, `templates` is the size of
    the shadow index, `people_missing` counts people without a template in the shadow collection."""

    embedded: int
    refused: Counter[str]
    templates: int
    people_missing: int


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """A gallery, its shadow collection, and the people without a template in the latter."""

    gallery: Collection
    shadow: Collection
    missing: list[PersonName]


@dataclass(frozen=True, slots=True)
class ModelChange:
    """The names of a gallery's models before and after a cut-over or a roll-back."""

    before: str
    after: str


class GalleryMigration:
    """Creates, fills and deletes shadow collections, also while a service is running."""

    def __init__(self, database: Database, index_sync: IndexSync) -> None:
        self._database, self._index_sync = database, index_sync

    def plan(self, name: str, space: EmbeddingSpace) -> MigrationPlan:
        """Opens the shadow collection. Raises CollectionNotFound, ShadowExists."""
        with self._database.write() as session:
            shadow = open_shadow(session, name, space)
            gallery = get_collection(session, name, GALLERY)
            photos = count_photos_to_embed(session, gallery, shadow)
            record(session, AuditEvent("collection.migrate", "read", name))
            return MigrationPlan(gallery, shadow, photos)

    def embed_photos(
        self, plan: MigrationPlan, pipeline: FacePipeline, progress: Callable[[int], None]
    ) -> MigrationResult:
        """Fills the shadow collection; calls `progress` with the number of processed photos.

        Can be interrupted and repeated: photos that have a shadow template are skipped. The
        shadow index is updated, too, so that the first search after a cut-over is fast. Raises
        DecryptionFailed.
        """
        gallery, shadow = plan.gallery, plan.shadow
        refused: Counter[str] = Counter()
        embedded, last = 0, 0
        while True:
            with self._database.read() as session:
                photos = photos_to_embed(session, gallery, shadow, last, _BLOCK)
            if not photos:
                break
            templates = [_embed(pipeline, photo, refused) for photo in photos]
            with self._database.write() as session:
                found = [template for template in templates if template is not None]
                embedded += add_shadow_templates(session, shadow, found)
            last = photos[-1].row_id
            progress(len(photos))
        with self._database.read() as session:
            missing = count_people_without_template(session, gallery, shadow)
            current = get_shadow(session, gallery)
            indexed = self._index_sync.size(session, current)
        return MigrationResult(embedded, refused, indexed, missing)

    def delete_shadow(self, name: str) -> Collection:
        """Deletes the shadow collection with its index, and purges its bytes from the write-ahead
        log. Returns it. Raises CollectionNotFound, ShadowNotFound."""
        with self._database.write() as session:
            deleted = delete_shadow(session, name)
            record(session, AuditEvent("collection.discard", "deleted", name))
        self._index_sync.delete_index(deleted)
        self._database.truncate_wal()
        return deleted


class ModelSwitch:
    """Swaps galleries with their shadow collections. Needs no index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def status(self, name: str) -> MigrationStatus:
        """Returns the people to photograph again. Raises CollectionNotFound, ShadowNotFound."""
        with self._database.read() as session:
            gallery = get_collection(session, name, GALLERY)
            shadow = get_shadow(session, gallery)
            return MigrationStatus(
                gallery, shadow, people_without_template(session, gallery, shadow)
            )

    def cut_over(self, name: str, allow_missing: bool) -> ModelChange:
        """Replaces the gallery by its shadow collection, in one transaction.

        Raises CollectionNotFound, ShadowNotFound, or PeopleMissing if people have no template in
        the shadow collection, unless `allow_missing`.
        """
        event = AuditEvent("collection.cut_over", "changed", name)
        return self._change(cut_over, event, name, allow_missing)

    def roll_back(self, name: str, allow_missing: bool) -> ModelChange:
        """Reverses a cut-over, in one transaction. Raises the same errors."""
        event = AuditEvent("collection.roll_back", "changed", name)
        return self._change(roll_back, event, name, allow_missing)

    def _change(
        self,
        swap: Callable[[Session, str], tuple[Collection, Collection]],
        event: AuditEvent,
        name: str,
        allow_missing: bool,
    ) -> ModelChange:
        with self._database.write() as session:
            gallery, before = swap(session, name)
            missing = count_people_without_template(session, gallery, gallery)
            if missing and not allow_missing:
                raise PeopleMissing(
                    f"{missing} people of {name!r} have no template of {gallery.space.name} and "
                    "would no longer be found; photograph them again, or use --without-missing"
                )
            record(session, event)
            return ModelChange(before.space.name, gallery.space.name)


def _embed(
    pipeline: FacePipeline, photo: StoredPhoto, refused: Counter[str]
) -> ShadowTemplate | None:
    """Embeds the largest face, or counts the error code in `refused` and returns None.

    The photo may have been enrolled with `rotate`, so it is examined in all orientations.
    """
    timings = Timings()
    try:
        face = pipeline.analyze(photo.image, timings, rotate=True).largest()
        vector = pipeline.embed([face], timings)[0]
    except DecryptionFailed:
        raise
    except SimaError as error:
        refused[error.code] += 1
        return None
    return ShadowTemplate(photo, vector, face.quality.score)
