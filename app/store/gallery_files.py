"""Exports galleries to archives that are streamed, and imports uploaded ones."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from app.crypto.signing import Signer
from app.store.archive import export_gallery, import_gallery
from app.store.archive_file import SUFFIX
from app.store.collections import Collection
from app.store.db.database import Database

_PIECE = 1 << 20


class GalleryFiles:
    """Archives in temporary folders that only the service can read.

    `signing_key` is the file of the key that signs archives; it is created if it is missing.
    """

    def __init__(self, database: Database, signing_key: Path) -> None:
        self._database, self._signing_key = database, signing_key

    def export(self, name: str) -> Iterator[bytes]:
        """Write a gallery to an archive and return its pieces.

        Raises CollectionNotFound, DecryptionFailed.
        """
        folder = TemporaryDirectory(prefix="sima-export-")
        try:
            file = Path(folder.name) / f"gallery{SUFFIX}"
            export_gallery(self._database, name, file, self._signer())
        except BaseException:
            folder.cleanup()
            raise
        return _pieces(folder, file)

    def import_archive(self, stream: IO[bytes], name: str, signer: str | None) -> Collection:
        """Create the gallery `name` from an archive that this installation or `signer` signed.

        Raises InvalidArchive, ExternalIdTaken, CollectionExists, DecryptionFailed; nothing is
        stored then.
        """
        with TemporaryDirectory(prefix="sima-import-") as folder:
            file = Path(folder) / f"gallery{SUFFIX}"
            with file.open("wb") as copy:
                shutil.copyfileobj(stream, copy, _PIECE)
            return import_gallery(self._database, file, name, self._signer(), signer)[1]

    def _signer(self) -> Signer:
        return Signer.load_or_create(self._signing_key)


def _pieces(folder: TemporaryDirectory[str], file: Path) -> Iterator[bytes]:
    """The bytes of the file; the folder is deleted afterwards."""
    with folder, file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
