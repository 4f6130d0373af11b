"""The signed file format of gallery archives, written and read as a stream.

A zip file of `people.jsonl`, `templates.npy` (float32, one row per template, in the order of the
people), `manifest.json` and `signature` (Ed25519 over the manifest). The manifest contains the
SHA-256 digests of the first two, so the signature covers everything. With encryption keys, both are
encrypted as streams (`app.crypto.stream`); in version 1 each was encrypted as a whole. Versions 1
and 2 have no detections.
"""

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from app.crypto.keyring import Keyring
from app.crypto.signing import Signer, check_signature
from app.errors import InvalidArchive, InvalidRequest
from app.private_files import create_empty
from app.store.archive_parts import (
    PartReader,
    array_header,
    array_rows,
    context,
    digest_of_part,
    open_part,
    read_array_header,
    read_array_rows,
    write_part,
)
from app.store.db.tables import now
from app.store.detections import StoredDetection, parse_detection
from app.store.person_fields import require_valid_person
from app.vectors import EmbeddingSpace, Matrix

SUFFIX = ".sima"
VERSION = 3
_ENCRYPTED_AS_A_WHOLE = 1
_PEOPLE, _TEMPLATES = "people.jsonl", "templates.npy"
BLOCK = 500
"""People, and about as many templates, that are in memory at a time."""

_MOST_MANIFEST_BYTES, _MOST_LINE_BYTES = 1 << 20, 64 << 20


@dataclass(frozen=True, slots=True)
class ArchivedTemplate:
    """A template without its vector. `created_at` is in ISO 8601."""

    template_id: str
    quality: float | None
    created_at: str
    detection: StoredDetection | None = None


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
class Contents:
    """A gallery to write: numbers of people and templates, and functions that read them in blocks.

    `vectors` yields the vectors of all templates in the order of the people, shape (n, d).
    """

    collection: str
    space: EmbeddingSpace
    sizes: tuple[int, int]
    people: Callable[[], Iterator[ArchivedPerson]]
    vectors: Callable[[], Iterator[Matrix]]


@dataclass(frozen=True, slots=True)
class ArchiveReader:
    """An opened archive, whose signature, signer and digests were checked."""

    manifest: Manifest
    file: zipfile.ZipFile
    keyring: Keyring

    def people(self) -> Iterator[ArchivedPerson]:
        """Reads the people. Raises InvalidArchive, DecryptionFailed."""
        with self._open(_PEOPLE) as stream:
            while line := stream.readline(_MOST_LINE_BYTES):
                yield _person(line)

    def blocks(self) -> Iterator[tuple[Sequence[ArchivedPerson], Matrix]]:
        """Reads some people at a time, and the vectors of their templates, shape (n, d).

        Raises InvalidArchive, also for a file that has changed meanwhile, and DecryptionFailed.
        """
        manifest, people = self.manifest, self.people()
        found = [0, 0]
        with self._open(_TEMPLATES) as stream:
            read_array_header(stream, manifest.templates, manifest.dimension)
            for block in _some(people):
                count = sum(len(person.templates) for person in block)
                yield block, read_array_rows(stream, count, manifest.dimension)
                found = [found[0] + len(block), found[1] + count]
            if stream.read(1) or found != [manifest.people, manifest.templates]:
                raise InvalidArchive("the numbers of people and templates differ from the manifest")

    @contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        """Opens a part, decrypted; compares its digest after the last byte was read."""
        with open_part(self.file, name) as member:
            if self.manifest.sealed and self.manifest.version == _ENCRYPTED_AS_A_WHOLE:
                yield io.BytesIO(self.keyring.decrypt(member.read(), context(name)))
                return
            reader = PartReader(member, name, self.keyring if self.manifest.sealed else None)
            yield io.BufferedReader(reader)
            if reader.hexdigest() != self.manifest.digests.get(name):
                raise _changed(name)


def write_file(file: Path, contents: Contents, signer: Signer, keyring: Keyring) -> Manifest:
    """Writes a signed archive, encrypted if there are keys, which only its owner can read.

    Raises InvalidArchive, OSError, and the errors of `contents`; a previous file is kept then.
    """
    if file.suffix != SUFFIX:
        raise InvalidArchive(f"the name of an archive must end with {SUFFIX}")
    temporary = file.with_name(f"{file.name}.new")
    with ExitStack() as stack:
        stack.callback(_delete, temporary)
        create_empty(temporary)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            manifest = _write(archive, contents, signer, keyring)
        temporary.replace(file)
    return manifest


@contextmanager
def open_file(
    file: Path, trusted_signers: Sequence[str | None], keyring: Keyring
) -> Iterator[ArchiveReader]:
    """Opens an archive after checking its signature, signer and digests.

    Raises InvalidArchive, OSError.
    """
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise InvalidArchive("the file is not an archive, or is truncated") from error
    with archive:
        manifest = _read_manifest(archive)
        if manifest.signer not in trusted_signers:
            raise InvalidArchive(
                f"the archive is signed by {manifest.signer}; if you trust this key, pass it as "
                "--signer"
            )
        for name in (_PEOPLE, _TEMPLATES):
            if digest_of_part(archive, name) != manifest.digests.get(name):
                raise _changed(name)
        yield ArchiveReader(manifest, archive, keyring)


def _write(
    archive: zipfile.ZipFile, contents: Contents, signer: Signer, keyring: Keyring
) -> Manifest:
    (people, templates), space = contents.sizes, contents.space
    lines = (
        (json.dumps(asdict(person), ensure_ascii=False) + "\n").encode()
        for person in contents.people()
    )
    digests = {_PEOPLE: write_part(archive, _PEOPLE, lines, keyring)}
    digests[_TEMPLATES] = write_part(archive, _TEMPLATES, _array(contents), keyring)
    manifest = Manifest(
        version=VERSION,
        collection=contents.collection,
        model=space.name,
        model_digest=space.digest,
        dimension=space.dimension,
        people=people,
        templates=templates,
        sealed=bool(keyring),
        created_at=now().isoformat(),
        signer=signer.public,
        digests=digests,
    )
    written = json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()
    archive.writestr("manifest.json", written)
    archive.writestr("signature", signer.sign(written))
    return manifest


def _some(people: Iterator[ArchivedPerson]) -> Iterator[list[ArchivedPerson]]:
    """Yields people in blocks; a block ends with BLOCK people or templates."""
    block: list[ArchivedPerson] = []
    templates = 0
    for person in people:
        block.append(person)
        templates += len(person.templates)
        if len(block) == BLOCK or templates >= BLOCK:
            yield block
            block, templates = [], 0
    if block:
        yield block


def _array(contents: Contents) -> Iterator[bytes]:
    yield array_header(contents.sizes[1], contents.space.dimension)
    yield from map(array_rows, contents.vectors())


def _delete(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink(missing_ok=True)


def _read_manifest(archive: zipfile.ZipFile) -> Manifest:
    written, signature = _read(archive, "manifest.json"), _read(archive, "signature")
    try:
        manifest = Manifest(**json.loads(written))
        check_signature(str(manifest.signer), written, signature)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidArchive("manifest.json of the archive cannot be read") from error
    if manifest.version not in range(_ENCRYPTED_AS_A_WHOLE, VERSION + 1):
        raise InvalidArchive(
            f"the archive has version {manifest.version}; this service reads versions up to "
            f"{VERSION}"
        )
    return manifest


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    with open_part(archive, name) as member:
        return member.read(_MOST_MANIFEST_BYTES)


def _changed(name: str) -> InvalidArchive:
    return InvalidArchive(f"{name} of the archive was changed: its digest does not match")


def _template(fields: dict[str, Any]) -> ArchivedTemplate:
    detection = fields.pop("detection", None)
    return ArchivedTemplate(
        **fields, detection=None if detection is None else parse_detection(detection)
    )


def _person(line: bytes) -> ArchivedPerson:
    try:
        fields = json.loads(line)
        templates = [_template(template) for template in fields.pop("templates")]
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
