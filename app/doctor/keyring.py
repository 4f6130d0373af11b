"""Checks which keys templates, photos, crops, detections and names are encrypted with."""

import base64
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import LargeBinary, Select, case, func, literal, select
from sqlalchemy.orm import Session

from app.crypto.keyring import KEY_ID_BYTES, OVERHEAD, Keyring
from app.doctor.findings import Finding, ok, problem, warning
from app.store.db.detection_table import DetectionRow
from app.store.db.encryption import keyring_of
from app.store.db.image_tables import CropRow, ImageRow, PhotoRow
from app.store.db.tables import (
    GALLERY,
    SHADOW,
    VISITORS,
    CollectionRow,
    EmbeddingSpaceRow,
    EntryRow,
    TemplateRow,
)

_PLAIN = b""  # in place of a key id
_BASE64_OF_KEY_ID = 8  # characters; 6 bytes begin with the version and the key id
_ROTATE = "run `sima keys rotate`"


def check_keys(session: Session) -> Iterator[Finding]:
    """Yields findings about the keys of templates, photos, crops, detections and names, by the key
    ids in the rows. The other fields of a person are encrypted together with the name."""
    keyring = keyring_of(session)
    used = _count(session, _template_keys())
    used += _count(session, _image_keys(PhotoRow)) + _count(session, _image_keys(CropRow))
    used += _count(session, _detection_keys())
    people = _count_people(session)
    if not keyring and set(used) | set(people) <= {_PLAIN}:
        yield warning(
            "encryption",
            "there are no encryption keys: templates are stored unencrypted",
            "create a key with `sima keys new`, set SIMA_ENCRYPTION_KEYS, then " + _ROTATE,
        )
        return
    if keyring and used[_PLAIN]:
        yield warning(
            "encryption", f"unencrypted templates and detections: {used[_PLAIN]}", _ROTATE
        )
    if keyring and people[_PLAIN]:
        yield warning("encryption", f"people with unencrypted names: {people[_PLAIN]}", _ROTATE)
    yield from _check("templates, images and detections", used, keyring)
    yield from _check("names of people", people, keyring)


def _check(what: str, used: Counter[bytes], keyring: Keyring) -> Iterator[Finding]:
    """Compares the keys that rows are encrypted with, by id, with those that are set."""
    unknown = [key for key in used if key != _PLAIN and not keyring.has(key)]
    for key in unknown:
        yield problem(
            "encryption",
            f"{what} encrypted with the key {key.hex()}, which is not set: {used[key]}",
            "add this key to the end of SIMA_ENCRYPTION_KEYS",
        )
    older = sum(n for key, n in used.items() if key not in (_PLAIN, keyring.newest_id, *unknown))
    if older:
        yield warning(
            "encryption",
            f"{what} encrypted with an older key: {older}",
            f"{_ROTATE} before you delete the older key",
        )
    if not unknown:
        yield ok("encryption", f"the keys decrypt all {what}")


def _count_people(session: Session) -> Counter[bytes]:
    """Key id and number of the names of people."""
    beginning = func.substr(EntryRow.name, 1, _BASE64_OF_KEY_ID)
    encrypted = case((EntryRow.name_index.is_not(None), beginning), else_="")
    query = (
        select(encrypted.label("beginning"), func.count())
        .join(CollectionRow, CollectionRow.row_id == EntryRow.collection_id)
        .where(CollectionRow.kind == GALLERY)
        .group_by("beginning")
    )
    found = Counter[bytes]()
    for text, number in session.execute(query):
        found[base64.b64decode(text)[1 : 1 + KEY_ID_BYTES]] += number
    return found


def _count(session: Session, query: Select[bytes, int]) -> Counter[bytes]:
    return Counter({bytes(key or b""): number for key, number in session.execute(query)})


def _template_keys() -> Select[bytes, int]:
    """Key id and number of templates of people; an unencrypted vector is shorter."""
    encrypted = func.length(TemplateRow.vector) == EmbeddingSpaceRow.dimension * 4 + OVERHEAD
    plain = literal(_PLAIN, LargeBinary)
    key = case((encrypted, func.substr(TemplateRow.vector, 2, KEY_ID_BYTES)), else_=plain)
    return (
        select(key.label("key"), func.count())
        .select_from(TemplateRow)
        .join(CollectionRow, CollectionRow.row_id == TemplateRow.collection_id)
        .join(EmbeddingSpaceRow, EmbeddingSpaceRow.row_id == CollectionRow.space_id)
        .where(CollectionRow.kind.in_((GALLERY, SHADOW, VISITORS)))
        .group_by("key")
    )


def _image_keys(table: type[ImageRow]) -> Select[bytes, int]:
    key = func.substr(table.ciphertext, 2, KEY_ID_BYTES)
    return select(key.label("key"), func.count()).select_from(table).group_by("key")


def _detection_keys() -> Select[bytes, int]:
    """Key id and number of detections; an unencrypted one is JSON text."""
    plain = func.substr(DetectionRow.content, 1, 1) == b"{"
    found = func.substr(DetectionRow.content, 2, KEY_ID_BYTES)
    key = case((plain, literal(_PLAIN, LargeBinary)), else_=found)
    return select(key.label("key"), func.count()).select_from(DetectionRow).group_by("key")
