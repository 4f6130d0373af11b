"""Downloads a file over HTTP; resumes interrupted downloads and verifies the digest."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import ModelError
from app.private_files import create_folder

_CHUNK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 30.0
_SCHEMES = ("https://", "http://")

ReportProgress = Callable[[int, int | None], None]
"""Called with the number of bytes on disk and, if the server states it, the size of the file."""


@dataclass(frozen=True, slots=True)
class Source:
    """A URL and the name of its local file; `sha256` and `size` (bytes) are None if not pinned."""

    url: str
    file: str
    sha256: str | None
    size: int | None = None


class SourceUnavailable(ModelError):
    """The server is unreachable or returns an error; another source may work."""


def download(source: Source, folder: Path, report: ReportProgress) -> Path:
    """Downloads into `folder` and returns the file; resumes from an existing `.part` file.

    Raises SourceUnavailable, or ModelError if the download is interrupted or its digest differs.
    The partial file is kept unless its digest differs.
    """
    file, part = folder / source.file, folder / f"{source.file}.part"
    if file.is_file() and source.sha256 is not None and file_sha256(file) == source.sha256:
        return file
    if not source.url.startswith(_SCHEMES):
        raise ModelError(f"{without_credentials(source.url)} is not an http or https URL")
    create_folder(folder)
    _download_rest(source, part, report)
    found = file_sha256(part)
    if source.sha256 is not None and found != source.sha256:
        part.unlink()
        raise ModelError(
            f"digest mismatch: {source.file} has sha256 {found}, expected {source.sha256}; "
            "the download was deleted"
        )
    os.replace(part, file)
    return file


def without_credentials(url: str) -> str:
    """The URL without user, password, query and fragment, for messages."""
    before, separator, rest = url.partition("?")[0].partition("#")[0].partition("://")
    if not separator:
        return before.rpartition("@")[2]
    authority, slash, path = rest.partition("/")
    return f"{before}://{authority.rpartition('@')[2]}{slash}{path}"


def file_sha256(file: Path) -> str:
    """Returns the SHA-256 of a file's content in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _download_rest(source: Source, part: Path, report: ReportProgress) -> None:
    try:
        _append(source, part, report)
    except urllib.error.HTTPError as error:
        # The requested range is empty: the partial file is complete, or too long and then its
        # digest differs.
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.exists():
            return
        raise SourceUnavailable(
            f"{without_credentials(source.url)} returned {error.code} {error.reason}"
        ) from error
    except urllib.error.URLError as error:
        raise SourceUnavailable(
            f"{without_credentials(source.url)} is unreachable: {error.reason}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        size = part.stat().st_size if part.exists() else 0
        raise ModelError(
            f"the download was interrupted after {size:,} bytes ({error}); "
            "run the command again to resume it"
        ) from error


def _append(source: Source, part: Path, report: ReportProgress) -> None:
    size = part.stat().st_size if part.exists() else 0
    if source.size is not None and size == source.size:
        return
    headers = {"User-Agent": "sima"}
    request = urllib.request.Request(source.url, headers=headers)  # noqa: S310 - checked above
    if size:
        request.add_header("Range", f"bytes={size}-")
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        size = size if resumed else 0  # a server without range support sends the whole file
        length = response.headers.get("Content-Length")
        total = size + int(length) if length else None
        with part.open("ab" if resumed else "wb") as stream:
            while chunk := response.read(_CHUNK_BYTES):
                stream.write(chunk)
                size += len(chunk)
                report(size, total)
    if total is not None and size < total:
        raise http.client.IncompleteRead(b"", total - size)
