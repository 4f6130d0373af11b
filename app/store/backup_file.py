"""The signed file format of backups.

A zip file of `database` (a copy of the SQLite file, encrypted as a stream if there are keys),
`manifest.json` and `signature` (Ed25519 over the manifest). The manifest contains the SHA-256
digest of `database`, so the signature covers everything. Neither is ever whole in memory.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from app.crypto.keyring import Keyring
from app.crypto.signing import Signer, check_signature
from app.crypto.stream import DecryptingReader, EncryptingWriter, Readable
from app.errors import InvalidArchive
from app.private_files import create_empty

SUFFIX = ".simabackup"
VERSION = 1
_DATABASE, _MANIFEST, _SIGNATURE = "database", "manifest.json", "signature"
_CONTEXT = "backup database"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class BackupManifest:
    """The contents of `manifest.json`. `schema` is the revision of the database, `signer` the
    public key in hexadecimal, `encrypted` is true if the database is encrypted, `digest` is the
    SHA-256 of the stored bytes in hexadecimal. `created_at` is in ISO 8601."""

    version: int
    schema: str
    people: int
    templates: int
    encrypted: bool
    created_at: str
    signer: str
    digest: str


@dataclass(frozen=True, slots=True)
class BackupContent:
    """What a backup states about the database in it."""

    schema: str
    people: int
    templates: int
    created_at: str


def write_backup(
    file: Path, database: Path, content: BackupContent, signer: Signer, keyring: Keyring
) -> BackupManifest:
    """Writes a signed file with the SQLite file `database`, readable by its owner only.

    Raises InvalidArchive for another suffix, OSError; `file` is replaced at the end.
    """
    if file.suffix != SUFFIX:
        raise InvalidArchive(f"the name of a backup must end with {SUFFIX}")
    temporary = file.with_name(f"{file.name}.new")
    with _created(temporary) as output, zipfile.ZipFile(output, "w") as archive:
        with archive.open(_DATABASE, "w", force_zip64=True) as part:
            digest = _write_database(database, part, keyring)
        manifest = BackupManifest(
            version=VERSION,
            **asdict(content),
            encrypted=bool(keyring),
            signer=signer.public,
            digest=digest,
        )
        written = json.dumps(asdict(manifest), indent=1, sort_keys=True).encode()
        archive.writestr(_MANIFEST, written)
        archive.writestr(_SIGNATURE, signer.sign(written))
    temporary.replace(file)
    return manifest


def extract_backup(
    file: Path, target: Path, trusted_signers: Sequence[str | None], keyring: Keyring
) -> BackupManifest:
    """Writes the database of a backup to the new file `target`, readable by its owner only.

    The signature is checked before, the digest afterwards; `target` is deleted if anything fails.
    Raises InvalidArchive, DecryptionFailed, OSError.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _read_manifest(archive, trusted_signers)
            with archive.open(_DATABASE) as part, _created(target) as output:
                _read_database(part, output, manifest, keyring)
    except (zipfile.BadZipFile, KeyError) as error:
        raise InvalidArchive("the file is not a backup, or is damaged") from error
    return manifest


@contextmanager
def _created(file: Path) -> Iterator[IO[bytes]]:
    """Yields a new file with the mode 0600; deletes it after an error."""
    create_empty(file)
    try:
        with file.open("r+b") as stream:
            yield stream
    except BaseException:
        file.unlink(missing_ok=True)
        raise


class _Digesting:
    """Passes bytes on and computes their digest."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._digest = stream, hashlib.sha256()

    def write(self, data: bytes | memoryview) -> int:
        """Writes all bytes."""
        self._digest.update(data)
        return self._stream.write(data)

    def read(self, size: int = -1) -> bytes:
        """Reads at most `size` bytes."""
        data = self._stream.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        """The SHA-256 of all bytes so far."""
        return self._digest.hexdigest()


def _write_database(database: Path, part: IO[bytes], keyring: Keyring) -> str:
    counted = _Digesting(part)
    writer = EncryptingWriter(counted, keyring, _CONTEXT) if keyring else None
    with database.open("rb") as source:
        while chunk := source.read(_CHUNK):
            (writer or counted).write(chunk)
    if writer is not None:
        writer.finish()
    return counted.hexdigest()


def _read_database(
    part: IO[bytes], output: IO[bytes], manifest: BackupManifest, keyring: Keyring
) -> None:
    counted = _Digesting(part)
    reader: Readable = (
        DecryptingReader(counted, keyring, _CONTEXT) if manifest.encrypted else counted
    )
    while chunk := reader.read(_CHUNK):
        output.write(chunk)
    if counted.hexdigest() != manifest.digest:
        raise InvalidArchive("the database of the backup was changed: its digest does not match")


def _read_manifest(
    archive: zipfile.ZipFile, trusted_signers: Sequence[str | None]
) -> BackupManifest:
    written, signature = archive.read(_MANIFEST), archive.read(_SIGNATURE)
    try:
        manifest = BackupManifest(**json.loads(written))
    except (ValueError, TypeError) as error:
        raise InvalidArchive("manifest.json of the backup cannot be read") from error
    if manifest.version != VERSION:
        raise InvalidArchive(
            f"the backup has version {manifest.version}; this service reads version {VERSION}"
        )
    check_signature(manifest.signer, written, signature)
    if manifest.signer not in trusted_signers:
        raise InvalidArchive(
            f"the backup is signed by {manifest.signer}; if you trust this key, pass it as --signer"
        )
    return manifest
