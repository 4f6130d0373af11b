"""Looking after the people of a gallery, and the galleries themselves."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.errors import InvalidRequest, SpaceMismatch
from app.store import collections as collection_store
from app.store import people
from app.store.collections import Collection, get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.deletion import delete_collection_by_name
from app.store.erasures import Erasure, read_receipt
from app.store.index_sync import IndexSync
from app.store.people import Person, Template
from app.store.photos import read_photo
from app.store.shadow import ShadowState, shadow_state
from app.vectors import EmbeddingSpace


@dataclass(frozen=True, slots=True)
class CollectionState:
    """A collection, and the state of its shadow collection if it has one."""

    collection: Collection
    shadow: ShadowState | None


@dataclass(frozen=True, slots=True)
class PersonPage:
    """People in order of enrollment; `next_after` is None on the last page."""

    people: list[Person]
    next_after: int | None


class Galleries:
    """Reads and changes that need no photo. Each method is one transaction."""

    def __init__(
        self,
        database: Database,
        index_sync: IndexSync,
        space: EmbeddingSpace,
        erased_within: timedelta,
    ) -> None:
        self._database, self._index_sync, self._space = database, index_sync, space
        self._within = erased_within

    def persons(
        self, collection: str, name: str | None, external_id: str | None, after: int, limit: int
    ) -> list[Person]:
        """One page of people, those after the database id `after`."""
        with self._database.read() as session:
            gallery = get_collection(session, collection, GALLERY)
            return people.list_persons(session, gallery, name, external_id, after, limit)

    def page(
        self, collection: str, name: str | None, external_id: str | None, after: int, limit: int
    ) -> PersonPage:
        """Returns up to `limit` people, and where the next page starts."""
        found = self.persons(collection, name, external_id, after, limit + 1)
        more = len(found) > limit
        return PersonPage(found[:limit], found[limit - 1].row_id if more else None)

    def person(self, person_id: str) -> Person:
        """One person. Raises PersonNotFound."""
        with self._database.read() as session:
            return people.get_person(session, person_id)

    def change(self, person_id: str, changes: dict[str, Any]) -> Person:
        """Set `name`, `external_id`, `attributes`, whichever are given."""
        with self._database.write() as session:
            return people.change_person(session, person_id, changes)

    def delete(self, person_id: str) -> Erasure:
        """Forget a person; every search that starts afterwards does."""
        with self._database.write() as session:
            return people.delete_person(session, person_id, self._within)

    def photos(self, person_id: str) -> list[Template]:
        """The support set, oldest first."""
        with self._database.read() as session:
            return people.list_templates(session, person_id)

    def image(self, person_id: str, template_id: str) -> bytes:
        """The photo as it was sent, where photos are kept. Raises PhotoNotFound."""
        with self._database.read() as session:
            return read_photo(session, person_id, template_id)

    def erasure(self, erasure_id: str) -> Erasure:
        """What a deletion removed. Raises ErasureNotFound."""
        with self._database.read() as session:
            return read_receipt(session, erasure_id)

    def delete_photo(self, person_id: str, template_id: str) -> Erasure:
        """Forget one photo."""
        with self._database.write() as session:
            return people.delete_template(session, person_id, template_id, self._within)

    def collections(self) -> list[Collection]:
        """Galleries and vocabularies, by name."""
        with self._database.read() as session:
            return collection_store.list_collections(session)

    def collection(self, name: str) -> CollectionState:
        """Returns a gallery or vocabulary with its shadow. Raises CollectionNotFound."""
        with self._database.read() as session:
            found = get_collection(session, name)
            return CollectionState(found, shadow_state(session, found))

    def create(self, name: str, kind: str = GALLERY, model: str | None = None) -> Collection:
        """Creates an empty gallery of the active model.

        Raises InvalidRequest for another kind, SpaceMismatch for another model, CollectionExists.
        """
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
            return collection_store.create_collection(session, name, GALLERY, self._space)

    def delete_collection(self, name: str) -> None:
        """A collection with everything in it."""
        delete_collection_by_name(self._database, self._index_sync, name)
