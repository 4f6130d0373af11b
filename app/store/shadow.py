"""Shadow collections: templates of a gallery's people in the space of another model.

A shadow collection has its own templates, journal and index; its people belong to the gallery.
`cut_over` and `roll_back` swap the two. Every function works inside the caller's session.
"""

import secrets
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import ShadowExists, ShadowNotFound
from app.store.calibrations import options_after_swap
from app.store.collections import (
    Collection,
    collection_by_id,
    create_collection,
    delete_collection,
    get_collection,
    lock_with_shadow,
)
from app.store.db.tables import (
    GALLERY,
    SHADOW,
    CollectionRow,
    EntryRow,
    TemplateRow,
)
from app.store.shadow_templates import count_people_without_template, same_photo
from app.store.template_images import reassign_images
from app.store.visitors import delete_visitors
from app.vectors import EmbeddingSpace


@dataclass(frozen=True, slots=True)
class ShadowState:
    """The model of a shadow collection, and the number of people without a template in it."""

    model: str
    missing: int


def find_shadow(session: Session, gallery: Collection) -> Collection | None:
    """Returns the shadow collection of a gallery, or None."""
    row_id = session.scalar(
        select(CollectionRow.row_id).where(CollectionRow.shadow_of == gallery.row_id)
    )
    return collection_by_id(session, row_id) if row_id is not None else None


def get_shadow(session: Session, gallery: Collection) -> Collection:
    """Returns the shadow collection of a gallery. Raises ShadowNotFound."""
    found = find_shadow(session, gallery)
    if found is None:
        raise _not_found(gallery.name)
    return found


def shadow_state(session: Session, gallery: Collection) -> ShadowState | None:
    """Returns the state of the gallery's shadow collection, or None."""
    shadow = find_shadow(session, gallery)
    if shadow is None:
        return None
    missing = count_people_without_template(session, gallery, shadow)
    return ShadowState(shadow.space.name, missing)


def open_shadow(session: Session, name: str, space: EmbeddingSpace) -> Collection:
    """Returns the gallery's shadow collection in this space; creates it if there is none.

    Raises CollectionNotFound, or ShadowExists if the gallery uses the space already or has a shadow
    collection in a third one.
    """
    gallery, shadow = _lock(session, name)
    if gallery.space.digest == space.digest:
        raise ShadowExists(f"collection {name!r} uses the model {space.name} already")
    if shadow is None:
        # Names of collections begin with a letter or a digit, so no client can use this one.
        created = create_collection(session, f"~{secrets.token_hex(8)}", SHADOW, space)
        row = update(CollectionRow).where(CollectionRow.row_id == created.row_id)
        session.execute(row.values(shadow_of=gallery.row_id))
        return created
    if shadow.space.digest != space.digest:
        raise ShadowExists(
            f"collection {name!r} has a shadow collection of the model {shadow.space.name}; "
            "delete it first with `sima collections discard`"
        )
    return shadow


def cut_over(session: Session, name: str) -> tuple[Collection, Collection]:
    """Makes the shadow collection the gallery, and the gallery its shadow collection.

    Returns both, the gallery first. Raises CollectionNotFound, or ShadowNotFound if there is no
    shadow collection or the gallery has been cut over to its space already.
    """
    gallery, shadow = _lock_both(session, name)
    if shadow.row_id < gallery.row_id:
        raise ShadowNotFound(
            f"collection {name!r} has been cut over to {gallery.space.name} already; "
            "its shadow collection is the previous one, see roll-back"
        )
    return _swap(session, gallery, shadow)


def roll_back(session: Session, name: str) -> tuple[Collection, Collection]:
    """Reverses `cut_over`: the previous gallery replaces the current one.

    Returns both, the gallery first. Raises CollectionNotFound, or ShadowNotFound if there is no
    shadow collection or the gallery has not been cut over.
    """
    gallery, shadow = _lock_both(session, name)
    if shadow.row_id > gallery.row_id:
        raise ShadowNotFound(
            f"collection {name!r} has not been cut over; there is no previous collection"
        )
    return _swap(session, gallery, shadow)


def delete_shadow(session: Session, name: str) -> Collection:
    """Deletes the shadow collection and returns it. Raises CollectionNotFound, ShadowNotFound.

    A photo or a crop is reassigned to the gallery template of the same photo; without one, it is
    deleted.
    """
    gallery, shadow = _lock_both(session, name)

    def in_gallery(template_row_id: InstrumentedAttribute[int]) -> ColumnElement[int | None]:
        same = same_photo(gallery).where(TemplateRow.row_id == template_row_id)
        return same.correlate(template_row_id.class_).scalar_subquery()

    reassign_images(session, TemplateRow.collection_id == shadow.row_id, in_gallery)
    delete_collection(session, shadow)
    return shadow


def _swap(
    session: Session, gallery: Collection, shadow: Collection
) -> tuple[Collection, Collection]:
    """Exchanges name, kind and people of two locked collections; deletes the gallery's visitors,
    whose vectors belong to the former model."""
    delete_visitors(session, gallery)
    old = session.get_one(CollectionRow, gallery.row_id)
    new = session.get_one(CollectionRow, shadow.row_id)
    # The name and shadow_of are unique, so both are cleared before they are assigned.
    old.name, new.shadow_of = f"~{secrets.token_hex(8)}", None
    session.flush()
    old.kind, old.shadow_of, old.size = SHADOW, shadow.row_id, 0
    new.kind, new.name, new.size = GALLERY, gallery.name, gallery.size
    new.options = options_after_swap(gallery.options, shadow.options)
    session.flush()
    people = update(EntryRow).where(EntryRow.collection_id == gallery.row_id)
    session.execute(people.values(collection_id=shadow.row_id))
    session.expire_all()
    return (
        get_collection(session, gallery.name, GALLERY),
        collection_by_id(session, gallery.row_id),
    )


def _lock(session: Session, name: str) -> tuple[Collection, Collection | None]:
    """Locks the gallery and its shadow collection, if any. Raises CollectionNotFound."""
    named = get_collection(session, name, GALLERY)
    locked = lock_with_shadow(session, named.row_id)
    by_kind = {collection.kind: collection for collection in locked}
    return by_kind[GALLERY], by_kind.get(SHADOW)


def _lock_both(session: Session, name: str) -> tuple[Collection, Collection]:
    """Locks the gallery and its shadow. Raises CollectionNotFound, ShadowNotFound."""
    gallery, shadow = _lock(session, name)
    if shadow is None:
        raise _not_found(name)
    return gallery, shadow


def _not_found(name: str) -> ShadowNotFound:
    return ShadowNotFound(f"collection {name!r} has no shadow collection")
