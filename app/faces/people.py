"""Manages people, their templates and photos, and collections."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.audit_events import Action, AuditEvent
from app.errors import InvalidRequest, SpaceMismatch
from app.faces.decisions.options import DecisionOptions
from app.faces.enrollment import DEFAULT_COLLECTION
from app.faces.gallery_decisions import GalleryDecisions, GalleryState
from app.faces.pipeline.image_header import media_type_of
from app.store import collections as collection_store
from app.store import erasures, people, templates
from app.store.calibrations import change_options
from app.store.collections import Collection, get_collection, lock_collection
from app.store.db.audit_chain import record
from app.store.db.database import Database
from app.store.db.encryption import ImageKind
from app.store.db.tables import GALLERY
from app.store.detections import StoredDetection, read_detections
from app.store.erasures import Erasure
from app.store.index_sync import IndexSync
from app.store.people import Person, PersonPage
from app.store.person_search import PersonSearch
from app.store.shadow import ShadowState, shadow_state
from app.store.template_images import crops_of_people, read_image, templates_with_crop
from app.store.templates import Template
from app.validation import RESOURCE_NAME_RULE, is_resource_name
from app.vectors import EmbeddingSpace


@dataclass(frozen=True, slots=True)
class CollectionState:
    """A collection, the state of its shadow collection if it has one, and how it decides.

    `decisions` is None for a vocabulary, and for a gallery of another model than the active one.
    """

    collection: Collection
    shadow: ShadowState | None
    decisions: GalleryState | None


@dataclass(frozen=True, slots=True)
class DetectedTemplate:
    """A template and the face that it was made from; None for templates of earlier versions.

    `has_crop` is whether the crop of the face is stored.
    """

    template: Template
    detection: StoredDetection | None
    has_crop: bool


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image file, its media type, and the collection of its person."""

    content: bytes
    media_type: str
    collection: str


class Galleries:
    """Operations that need no image. Each method is one transaction.

    New galleries are created in `space`. `purge_within` is the longest time until deleted bytes are
    purged.
    """

    def __init__(
        self,
        database: Database,
        index_sync: IndexSync,
        space: EmbeddingSpace,
        decisions: GalleryDecisions,
        purge_within: timedelta,
    ) -> None:
        self._database, self._index_sync, self._space = database, index_sync, space
        self._decisions = decisions
        self._purge_within = purge_within

    def page(self, collection: str, search: PersonSearch, after: int, limit: int) -> PersonPage:
        """Returns at most `limit` people with a row_id above `after`, with their crops.

        Raises CollectionNotFound.
        """
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            found = people.list_persons(session, gallery, search, after, limit + 1)
            page = PersonPage.of(found, limit)
            return replace(page, crops=crops_of_people(session, page.people))

    def person(self, person_id: str) -> Person:
        """Returns a person. Raises PersonNotFound."""
        with self._database.read() as session:
            return people.get_person(session, person_id)

    def change(self, person_id: str, changes: dict[str, Any]) -> Person:
        """Sets the given ones of `name`, `external_id`, `attributes`.

        Raises PersonNotFound, ExternalIdTaken.
        """
        with self._database.write() as session:
            changed = people.change_person(session, person_id, changes)
            record(session, AuditEvent("person.change", "changed", changed.collection, person_id))
            return changed

    def delete(self, person_id: str) -> Erasure:
        """Deletes a person; no search that starts afterwards finds them. Raises PersonNotFound."""
        with self._database.write() as session:
            receipt = erasures.delete_person(session, person_id, self._purge_within)
            record(session, AuditEvent("person.delete", "deleted", receipt.collection, person_id))
            return receipt

    def photos(self, person_id: str) -> list[DetectedTemplate]:
        """Returns the support set, oldest first. Raises PersonNotFound, DecryptionFailed."""
        with self._database.read() as session:
            listed = templates.list_templates(session, person_id)
            found = read_detections(session, listed)
            crops = templates_with_crop(session, person_id)
        return [
            DetectedTemplate(one, found.get(one.template_id), one.template_id in crops)
            for one in listed
        ]

    def image(self, kind: ImageKind, person_id: str, template_id: str) -> StoredImage:
        """Returns the stored photo or crop, after the audit log has recorded it.

        Raises PhotoNotFound, DecryptionFailed.
        """
        action: Action = "photo.read" if kind == "photo" else "crop.read"
        with self._database.read() as session:
            content = read_image(session, kind, person_id, template_id)
            collection = people.get_person(session, person_id).collection
        self._database.record(AuditEvent(action, "read", collection, person_id))
        return StoredImage(content, media_type_of(content), collection)

    def erasure(self, erasure_id: str) -> Erasure:
        """Returns the receipt of a deletion. Raises ErasureNotFound."""
        with self._database.read() as session:
            return erasures.get_receipt(session, erasure_id)

    def erasures(self, limit: int, collections: Set[str] | None) -> list[Erasure]:
        """Returns at most `limit` receipts, newest first; None for `collections` means all."""
        with self._database.read() as session:
            return erasures.latest_receipts(session, limit, collections)

    def delete_photo(self, person_id: str, template_id: str) -> Erasure:
        """Deletes a template and its photo. Raises PersonNotFound, PhotoNotFound."""
        with self._database.write() as session:
            receipt = erasures.delete_template(session, person_id, template_id, self._purge_within)
            record(session, AuditEvent("photo.delete", "deleted", receipt.collection, person_id))
            return receipt

    def collections(self) -> list[Collection]:
        """Returns galleries and vocabularies, by name."""
        with self._database.read() as session:
            return collection_store.list_collections(session)

    def collection(self, name: str) -> CollectionState:
        """Returns a gallery or vocabulary. Raises CollectionNotFound."""
        with self._database.read() as session:
            return self._state(session, get_collection(session, name))

    def require_gallery(self, name: str) -> None:
        """Raises CollectionNotFound, or SpaceMismatch if it belongs to another model."""
        with self._database.read() as session:
            get_collection(session, name, GALLERY).require_space(self._space)

    def change_options(self, name: str, changes: Mapping[str, Any]) -> CollectionState:
        """Sets `target_fmr`, `target_fpir`, `threshold`, `visitors` of a gallery; None deletes an
        option.

        Raises CollectionNotFound, InvalidRequest.
        """
        DecisionOptions.of(changes)
        with self._database.write() as session:
            gallery = lock_collection(session, get_collection(session, name, GALLERY))
            record(session, AuditEvent("collection.change", "changed", name))
            return self._state(session, change_options(session, gallery, changes))

    def create(
        self,
        name: str,
        kind: str = GALLERY,
        model: str | None = None,
        options: DecisionOptions | None = None,
        visitor_days: int | None = None,
    ) -> CollectionState:
        """Creates an empty gallery of the active model; `visitor_days` is its option `visitors`.

        Raises InvalidRequest for another kind or an invalid name, SpaceMismatch for another model,
        CollectionExists.
        """
        if not is_resource_name(name):
            raise InvalidRequest("name", f"the name is invalid; {RESOURCE_NAME_RULE}")
        if kind != GALLERY:
            raise InvalidRequest(
                "kind",
                "an empty vocabulary cannot be created; upload its vectors to POST /vocabularies",
            )
        if model not in (None, self._space.name):
            raise SpaceMismatch(
                f"the active model is {self._space.name}; omit model, or set SIMA_FACE_MODEL"
            )
        with self._database.write() as session:
            stored: dict[str, Any] = dict(options.stored()) if options is not None else {}
            if visitor_days is not None:
                stored["visitors"] = {"days": visitor_days}
            created = collection_store.create_collection(
                session, name, GALLERY, self._space, stored
            )
            record(session, AuditEvent("collection.create", "created", name))
            return self._state(session, created)

    def delete_collection(self, name: str) -> Erasure:
        """Deletes a collection with its contents and its index. Raises CollectionNotFound.

        The default gallery always exists: it is replaced by an empty one with default options.
        """
        with self._database.write() as session:
            receipt, deleted = erasures.delete_collection(session, name, self._purge_within)
            record(session, AuditEvent("collection.delete", "deleted", name))
            if name == DEFAULT_COLLECTION:
                collection_store.create_collection(session, name, GALLERY, self._space)
        for collection in deleted:
            self._index_sync.delete_index(collection)
        return receipt

    def _state(self, session: Session, collection: Collection) -> CollectionState:
        shadow = shadow_state(session, collection)
        return CollectionState(collection, shadow, self._decisions.state(session, collection))
