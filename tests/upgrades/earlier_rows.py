"""Rows as earlier versions of the service wrote them, for every revision of the schema.

The values are literal: the code of this version must not decide what an earlier one stored. A
column or table that a later revision added is left out.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Connection, MetaData, Table, func, inspect, select
from sqlalchemy import table as sql_table

from app.crypto.keyring import Keyring
from app.vectors import EmbeddingSpace

CREATED = datetime(2026, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
WORDS = {"king": (1.0, 0.0, 0.0), "queen": (0.8, 0.6, 0.0), "apple": (0.0, 0.0, 1.0)}
IDEMPOTENCY_KEY = "sent before the upgrade"
RECEIPT, COMPLETED_RECEIPT = "receipt1", "receipt2"
PHOTO, CROP = b"the bytes of a photo", b"the bytes of a crop"
METADATA = {"party": "D", "born": {"city": "Honolulu", "year": 1961}}

_GALLERY, _LOBBY, _VOCABULARY, _SHADOW, _LOBBY_VISITORS = 1, 2, 3, 4, 5
# The revisions that introduced them.
_KEYS, _SHADOWS, _COMPLETIONS, _BLIND_INDEXES, _CROPS = "0005", "0007", "0013", "0019", "0024"
_WITH_SERIAL_ID = (
    "embedding_spaces",
    "collections",
    "entries",
    "templates",
    "projections",
    "calibrations",
    "rejections",
    "events",
)
_FAR = datetime(2100, 1, 1, tzinfo=UTC)

_Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class EarlierData:
    """What the rows depend on: the space of the active model, embeddings by the name of their
    photo, and the keys, with which `ada` is encrypted from the revision on that introduced them."""

    space: EmbeddingSpace
    embeddings: Mapping[str, list[float]]
    keyring: Keyring


def write_earlier_rows(connection: Connection, revision: str, data: EarlierData) -> dict[str, int]:
    """Fills the empty tables of `revision`; returns the number of rows by table."""
    existing = inspect(connection).get_table_names()
    written = {}
    for name, rows in _rows(revision, data, "visitors" in existing).items():
        if name not in existing:
            continue
        table = Table(name, MetaData(), autoload_with=connection)
        for row in rows:
            known = {key: value for key, value in row.items() if key in table.columns}
            connection.execute(table.insert().values(known))
        if connection.dialect.name == "postgresql" and name in _WITH_SERIAL_ID:
            sequence = func.pg_get_serial_sequence(name, "id")
            connection.execute(select(func.setval(sequence, func.max(table.columns["id"]))))
        written[name] = len(rows)
    return written


def count_rows(connection: Connection, table: str) -> int:
    """The number of rows of a table."""
    query = select(func.count()).select_from(sql_table(table))
    return int(connection.execute(query).scalar_one())


def _rows(revision: str, data: EarlierData, visitors: bool) -> dict[str, list[_Row]]:
    """The rows by table; a table follows those that its foreign keys name.

    `visitors` tells whether the revision has a table of visitors.
    """
    receipts = ((RECEIPT, None), (COMPLETED_RECEIPT, CREATED + timedelta(seconds=30)))
    rows = {
        "embedding_spaces": _spaces(data.space),
        "collections": _collections(revision),
        "entries": _people(revision, data.keyring) + _words(),
        "templates": _templates(revision, data),
        "journal": _journal(),
        "visitors": [],
        "events": [{"id": 1, "event_id": "e1", "content": b"{}"}],
        "calibrations": [_calibration()],
        "projections": [_projection(data.space)],
        "enroll_keys": [_idempotency_key()],
        "photos": [_image(data.keyring, "photo", PHOTO)],
        "crops": [_image(data.keyring, "crop", CROP)],
        "erasures": [_receipt(revision, name, completed) for name, completed in receipts],
        "imported_photos": [_imported_photo()],
        "rejections": [_rejection(data)],
    }
    if visitors:
        _add_visitor(rows, data)
    return rows


def _add_visitor(rows: dict[str, list[_Row]], data: EarlierData) -> None:
    """Adds a visitor of the gallery `lobby`."""
    inside = _collection(_LOBBY_VISITORS, "~ab12", "visitors", 1, revision=1, size=1)
    rows["collections"].append(inside | {"visitors_of": _LOBBY})
    fields: _Row = {"name": "Visitor", "external_id": None, "metadata": {}}
    rows["entries"].append(_person(7, "v1", _LOBBY_VISITORS, **fields))
    vector = _bytes(data.embeddings["obama"])
    rows["templates"].append(_template(9, "t9", _LOBBY_VISITORS, 7, vector))
    names = ("collection_id", "revision", "op", "template_id")
    rows["journal"].append(dict(zip(names, (_LOBBY_VISITORS, 1, "upsert", 9), strict=True)))
    rows["visitors"].append({"entry_id": 7, "last_seen_at": CREATED, "expires_at": _FAR})


def _spaces(active: EmbeddingSpace) -> list[_Row]:
    found = (
        (active.name, active.digest, active.dimension),
        ("tiny words", "sha256:tiny-words", 3),
        ("an-earlier-model", "sha256:earlier", 4),
    )
    return [
        {"id": number, "name": name, "digest": digest, "dimension": size, "created_at": CREATED}
        for number, (name, digest, size) in enumerate(found, start=1)
    ]


def _collections(revision: str) -> list[_Row]:
    words = {"unknown": "lowercase", "normalisation": "none"}
    people = {"target_fmr": 0.01} if revision >= "0010" else {}
    rows: list[_Row] = [
        _collection(_GALLERY, "default", "gallery", 1, revision=4, size=2, options=people)
        | {"calibration_id": 7},
        _collection(_LOBBY, "lobby", "gallery", 1, revision=1, size=1),
        _collection(_VOCABULARY, "tiny", "vocabulary", 2, revision=1, size=3, options=words),
    ]
    if revision >= "0006":
        kind = "shadow" if revision >= _SHADOWS else "counterpart"
        rows.append(
            _collection(_SHADOW, "~5d0c", kind, 3, revision=0, size=0)
            | {"counterpart_of": _GALLERY, "shadow_of": _GALLERY}
        )
    return rows


def _collection(row_id: int, name: str, kind: str, space: int, **more: object) -> _Row:
    fixed = {"id": row_id, "name": name, "kind": kind, "space_id": space, "created_at": CREATED}
    return {"largest_support_set": 2, "options": {}, "calibration_id": None, **fixed, **more}


def _people(revision: str, keyring: Keyring) -> list[_Row]:
    ada: object = {"badge": "A-1"}
    if revision >= _KEYS:
        text = json.dumps(ada).encode()
        ada = base64.b64encode(keyring.encrypt(text, "metadata ada")).decode()
    texts: _Row = {"name": "آدا", "external_id": "44"}
    if revision >= _BLIND_INDEXES:
        texts = {
            column: value
            for field, text in texts.items()
            for column, value in _encrypted(keyring, field, str(text)).items()
        }
    return [
        _person(1, "barack", _GALLERY, name="Barack", external_id="44", metadata=METADATA),
        _person(2, "joe", _GALLERY, name="Joe “Amtrak” Biden", external_id=None, metadata={}),
        _person(3, "ada", _LOBBY, metadata=ada, **texts),
    ]


def _encrypted(keyring: Keyring, field: str, text: str) -> _Row:
    """The columns of an encrypted text of `ada`; `tests/crypto` has known answers of the digest."""
    stored = base64.b64encode(keyring.encrypt(text.encode(), f"{field} ada")).decode()
    return {field: stored, f"{field}_index": keyring.blind_indexes(text, field)[0]}


def _person(row_id: int, person_id: str, collection: int, **more: object) -> _Row:
    fixed = {"id": row_id, "public_id": person_id, "collection_id": collection, "rank": None}
    return {**fixed, **more, "created_at": CREATED}


def _words() -> list[_Row]:
    return [
        {"id": 3 + rank, "public_id": None, "collection_id": _VOCABULARY, "name": word}
        | {"external_id": None, "rank": rank, "metadata": {}, "created_at": CREATED}
        for rank, word in enumerate(WORDS, start=1)
    ]


def _templates(revision: str, data: EarlierData) -> list[_Row]:
    ada = _bytes(data.embeddings["astronaut"])
    if revision >= _KEYS:
        ada = data.keyring.encrypt(ada, "template t4")
    rows = [
        _template(1, "t1", _GALLERY, 1, _bytes(data.embeddings["obama"])),
        _template(2, "t2", _GALLERY, 1, _bytes(data.embeddings["obama2"])),
        _template(3, "t3", _GALLERY, 2, _bytes(data.embeddings["biden"])),
        _template(4, "t4", _LOBBY, 3, ada),
        *(
            _template(4 + rank, None, _VOCABULARY, 3 + rank, _bytes(vector)) | {"quality": None}
            for rank, vector in enumerate(WORDS.values(), start=1)
        ),
    ]
    if revision >= "0006":
        vector = _bytes((1.0, 0.0, 0.0, 0.0))
        rows.append(_template(8, "t8", _SHADOW, 1, vector) | {"origin": "t1"})
    return rows


def _template(
    row_id: int, template_id: str | None, collection: int, entry: int, vector: bytes
) -> _Row:
    owner = {"id": row_id, "public_id": template_id, "collection_id": collection}
    stored = {"entry_id": entry, "vector": vector, "quality": 0.9, "created_at": CREATED}
    return {**owner, **stored, "origin": None}


def _bytes(vector: object) -> bytes:
    return np.asarray(vector, dtype="<f4").tobytes()


def _journal() -> list[_Row]:
    """Three enrollments and a deletion in the first gallery."""
    changes = (
        (_GALLERY, 1, "upsert", 1),
        (_GALLERY, 2, "upsert", 2),
        (_GALLERY, 3, "upsert", 3),
        (_GALLERY, 4, "remove", 99),
        (_LOBBY, 1, "upsert", 4),
        (_VOCABULARY, 1, "rebuild", None),
    )
    names = ("collection_id", "revision", "op", "template_id")
    return [dict(zip(names, change, strict=True)) for change in changes]


def _calibration() -> _Row:
    """A gallery's own table, measured with another score normalisation than the present one."""
    table = {"population": "lobby", "pairs": 11_175, "similarity": [0.2, 0.4, 0.6]}
    rates = {"fmr": [0.1, 0.01, 0.001], "measured_to": 0.001, "fnmr": [], "genuine_pairs": 0}
    content = {
        "calibration": {**table, **rates},
        "fmr_interval": [[0.09, 0.11], [0.008, 0.012], None],
        "fnmr_interval": [],
        "people": 150,
        "photos": 150,
        "genuine_people": 0,
        "suspected_pairs": 1,
        "normalisation": "sha256:earlier 0.5",
    }
    return {"id": 7, "collection_id": _GALLERY, "content": content, "created_at": CREATED}


def _projection(active: EmbeddingSpace) -> _Row:
    numbers = np.ones(active.dimension * 3 + active.dimension + 9, dtype="<f8")
    details = {"source": "faces", "seen": ["king", "queen"], "examples": 4}
    fit = {"gamma": 1.0, "lam": 10.0, "area": None, "penalty": 0.5}
    return {
        "id": 1,
        "name": "crowns",
        "source_digest": active.digest,
        "source_dimension": active.dimension,
        "vocabulary": "tiny",
        "vocabulary_digest": "sha256:tiny-words",
        "vocabulary_dimension": 3,
        "details": {**details, **fit},
        "matrices": numbers.tobytes(),
        "created_at": CREATED,
    }


def _idempotency_key() -> _Row:
    now = datetime.now(UTC)  # the service deletes keys after a day
    key = {"key": IDEMPOTENCY_KEY, "request_digest": "0" * 64}
    return {**key, "template_id": 3, "created_at": now}


def _image(keyring: Keyring, kind: str, content: bytes) -> _Row:
    sealed = keyring.encrypt(content, f"{kind} t4")
    return {"template_id": 4, "sealed": sealed, "kept_until": datetime(2100, 1, 1, tzinfo=UTC)}


def _receipt(revision: str, receipt: str, completed_at: datetime | None) -> _Row:
    fields: _Row = {
        "id": receipt,
        "subject": hashlib.sha256(b"somebody").hexdigest(),
        "collection": "default",
        "templates": 3,
        "photos": 1,
        "erased_at": CREATED,
        "complete_by": CREATED + timedelta(minutes=10),
    }
    if revision >= _COMPLETIONS:
        fields["completed_at"] = completed_at
    if revision >= _CROPS:
        fields["crops"] = 1
    text = json.dumps(fields, sort_keys=True, default=datetime.isoformat)
    return {**fields, "digest": hashlib.sha256(text.encode()).hexdigest()}


def _imported_photo() -> _Row:
    digests = {"import_id": "1" * 64, "person": "2" * 64, "content": "3" * 64}
    return {"template_id": 3, "face": "subject", **digests}


def _rejection(data: EarlierData) -> _Row:
    """A photo of Barack that is not `ada`."""
    vector = data.keyring.encrypt(_bytes(data.embeddings["obama2"]), "template r1")
    fixed = {"id": 1, "public_id": "r1", "entry_id": 3, "template_id": None, "space_id": 1}
    return {**fixed, "vector": vector, "created_at": CREATED}
