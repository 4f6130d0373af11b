"""Checks which keys the stored templates and photos are encrypted with."""

from collections import Counter
from collections.abc import Iterator

from sqlalchemy import LargeBinary, Select, case, func, literal, select
from sqlalchemy.orm import Session

from app.crypto.keyring import KEY_ID_BYTES, OVERHEAD
from app.doctor.findings import Finding, ok, problem, warning
from app.store.db.encryption import keyring_of
from app.store.db.tables import (
    GALLERY,
    SHADOW,
    CollectionRow,
    EmbeddingSpaceRow,
    PhotoRow,
    TemplateRow,
)

_PLAIN = b""  # in place of a key id
_ROTATE = "run `sima keys rotate`"


def check_keys(session: Session) -> Iterator[Finding]:
    """Yields findings about the keys of templates and photos, by the key ids in the rows."""
    keyring = keyring_of(session)
    used = _count(session, _template_keys()) + _count(session, _photo_keys())
    if not keyring and set(used) <= {_PLAIN}:
        yield warning(
            "encryption",
            "there are no encryption keys: templates are stored unencrypted",
            "create a key with `sima keys new`, set SIMA_ENCRYPTION_KEYS, then " + _ROTATE,
        )
        return
    unknown = [key for key in used if key != _PLAIN and not keyring.has(key)]
    for key in unknown:
        yield problem(
            "encryption",
            f"templates and photos encrypted with the key {key.hex()}, which is not set: "
            f"{used[key]}",
            "add this key to the end of SIMA_ENCRYPTION_KEYS",
        )
    if keyring and used[_PLAIN]:
        yield warning("encryption", f"unencrypted templates: {used[_PLAIN]}", _ROTATE)
    older = sum(n for key, n in used.items() if key not in (_PLAIN, keyring.newest_id, *unknown))
    if older:
        yield warning(
            "encryption",
            f"templates and photos encrypted with an older key: {older}",
            f"{_ROTATE} before you delete the older key",
        )
    if not unknown:
        yield ok("encryption", "the keys decrypt all templates and photos")


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
        .where(CollectionRow.kind.in_((GALLERY, SHADOW)))
        .group_by("key")
    )


def _photo_keys() -> Select[bytes, int]:
    key = func.substr(PhotoRow.ciphertext, 2, KEY_ID_BYTES)
    return select(key.label("key"), func.count()).select_from(PhotoRow).group_by("key")
