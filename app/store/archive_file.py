"""The signed file format of gallery archives.

A zip file of `manifest.json`, `signature` (Ed25519 over the manifest), `people.jsonl` and
`templates.npy` (float32, one row per template, in the order of the people). The manifest contains
the SHA-256 digests of the last two, so the signature covers everything. With encryption keys, both
are encrypted.
"""

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from app.crypto.keyring import Keyring
from app.crypto.signing import Signer, check_signature
from app.errors import InvalidArchive, InvalidRequest
from app.private_files import create_empty
from app.store.db.tables import now
from app.store.person_fields import require_valid_person
from app.vectors import EmbeddingSpace, Matrix

SUFFIX = ".sima"
VERSION = 1
_PEOPLE, _TEMPLATES = "people.jsonl", "templates.npy"


@dataclass(frozen=True, slots=True)
class ArchivedTemplate:
    """A template without its vector. `created_at` is in ISO 8601."""

    template_id: str
    quality: float | None
    created_at: str


@dataclass(frozen=True, slots=True)
class ArchivedPerson:
    """One line of `people.jsonl`. `created_at` is in ISO 8601."""

    person_id: str
    name: str
    external_id: str | None
    metadata: dict[str, object]
    created_at: str
    templates: list[ArchivedTemplate]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of `manifest.json`. `signer` is the public key in hexadecimal, `sealed` is true
    if the other files are encrypted, `digests` are their SHA-256 in hexadecimal."""

    version: int
    collection: str
    model: str
    model_digest: str
    dimension: int
    people: int
    templates: int
    sealed: bool
    created_at: str
    signer: str
    digests: dict[str, str]

    @property
    def space(self) -> EmbeddingSpace:
        """The embedding space of the templates."""
        return EmbeddingSpace(self.model, self.model_digest, self.dimension)


@dataclass(frozen=True, slots=True)
class Archive:
    """A gallery: its people, and the vectors of all templates in the same order, shape (n, d)."""

    collection: str
    space: EmbeddingSpace
    people: Sequence[ArchivedPerson]
    vectors: Matrix


def write_file(file: Path, archive: Archive, signer: Signer, keyring: Keyring) -> Manifest:
    """Writes a signed archive, encrypted if there are keys, which only its owner can read.

    Raises InvalidArchive, and OSError; a previous file is kept then.
    """
    if file.suffix != SUFFIX:
        raise InvalidArchive(f"the name of an archive must end with {SUFFIX}")
    lines = (json.dumps(asdict(person), ensure_ascii=False) + "\n" for person in archive.people)
    matrix = io.BytesIO()
    np.save(matrix, archive.vectors, allow_pickle=False)
    parts = {_PEOPLE: "".join(lines).encode(), _TEMPLATES: matrix.getvalue()}
    if keyring:
        parts = {name: keyring.encrypt(part, f"archive {name}") for name, part in parts.items()}
    manifest = Manifest(
        version=VERSION,
        collection=archive.collection,
        model=archive.space.name,
        model_digest=archive.space.digest,
        dimension=archive.space.dimension,
        people=len(archive.people),
        templates=len(archive.vectors),
        sealed=bool(keyring),
        created_at=now().isoformat(),
        signer=signer.public,
        digests={name: hashlib.sha256(part).hexdigest() for name, part in parts.items()},
    )
    written = json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()
    temporary = file.with_name(f"{file.name}.new")
    members = {"manifest.json": written, "signature": signer.sign(written), **parts}
    try:
        create_empty(temporary)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as stream:
            for name, content in members.items():
                stream.writestr(name, content)
        temporary.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    return manifest


def read_file(
    file: Path, trusted_signers: Sequence[str | None], keyring: Keyring
) -> tuple[Manifest, Archive]:
    """Reads an archive after checking its signature, signer and digests.

    Raises InvalidArchive, DecryptionFailed, OSError.
    """
    with _open(file) as stream:
        manifest = _read_manifest(stream)
        if manifest.signer not in trusted_signers:
            raise InvalidArchive(
                f"the archive is signed by {manifest.signer}; if you trust this key, pass it as "
                "--signer"
            )
        parts = {name: _read_part(stream, name, manifest) for name in (_PEOPLE, _TEMPLATES)}
    if manifest.sealed:
        parts = {name: keyring.decrypt(part, f"archive {name}") for name, part in parts.items()}
    people = [_person(line) for line in parts[_PEOPLE].splitlines()]
    vectors = np.load(io.BytesIO(parts[_TEMPLATES]), allow_pickle=False)
    shape = (sum(len(person.templates) for person in people), manifest.dimension)
    if vectors.shape != shape or vectors.dtype != np.float32:
        raise InvalidArchive("the shape of the templates does not match the manifest or the people")
    return manifest, Archive(manifest.collection, manifest.space, people, vectors)


def _open(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise InvalidArchive("the file is not an archive, or is truncated") from error


def _read_manifest(stream: zipfile.ZipFile) -> Manifest:
    written, signature = _read(stream, "manifest.json"), _read(stream, "signature")
    try:
        manifest = Manifest(**json.loads(written))
    except (ValueError, TypeError) as error:
        raise InvalidArchive("manifest.json of the archive cannot be read") from error
    if manifest.version != VERSION:
        raise InvalidArchive(
            f"the archive has version {manifest.version}; this service reads version {VERSION}"
        )
    check_signature(manifest.signer, written, signature)
    return manifest


def _read_part(stream: zipfile.ZipFile, name: str, manifest: Manifest) -> bytes:
    part = _read(stream, name)
    if hashlib.sha256(part).hexdigest() != manifest.digests.get(name):
        raise InvalidArchive(f"{name} of the archive was changed: its digest does not match")
    return part


def _read(stream: zipfile.ZipFile, name: str) -> bytes:
    try:
        return stream.read(name)
    except (KeyError, zipfile.BadZipFile) as error:
        raise InvalidArchive(f"{name} of the archive is missing or damaged") from error


def _person(line: bytes) -> ArchivedPerson:
    try:
        fields = json.loads(line)
        templates = [ArchivedTemplate(**template) for template in fields.pop("templates")]
        if not isinstance(fields["metadata"], dict):
            raise TypeError("metadata is not an object")
        person = ArchivedPerson(**fields, templates=templates)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidArchive("a person of the archive cannot be read") from error
    try:
        require_valid_person(person.name, person.external_id, person.metadata)
    except InvalidRequest as error:
        raise InvalidArchive(
            f"the person {person.person_id} of the archive: {error}; change it with "
            "PATCH /persons/{person_id} and export again"
        ) from error
    return person
