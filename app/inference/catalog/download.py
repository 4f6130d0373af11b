"""One file over HTTP: resumed where it broke off, checked before anybody opens it."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.errors import ModelError

_CHUNK = 1 << 16
_TIMEOUT = 30.0  # seconds without a byte
_SCHEMES = ("https://", "http://")

Report = Callable[[int, int | None], None]
"""Called with the bytes that are there and, where the server says so, how many there will be."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file lies. `sha256` and `size` (bytes) are None where nobody has pinned them."""

    url: str
    file: str
    sha256: str | None
    size: int | None = None


class DownloadRefused(ModelError):
    """The server answers that it will not give the file; another source may."""


def fetch(source: Source, folder: Path, report: Report) -> Path:
    """Download into `folder`; what a broken download has left there is gone on with.

    Raises DownloadRefused where the server cannot be reached or says no, ModelError where it
    breaks off or sends other bytes than promised; only those last ones are deleted.
    """
    done, part = folder / source.file, folder / f"{source.file}.part"
    if done.is_file() and source.sha256 is not None and digest_of(done) == source.sha256:
        return done
    folder.mkdir(parents=True, exist_ok=True)
    if not source.url.startswith(_SCHEMES):
        raise ModelError(f"{source.url} is not an http(s) address")
    _complete(source, part, report)
    found = digest_of(part)
    if source.sha256 is not None and found != source.sha256:
        part.unlink()
        raise ModelError(
            f"{source.file} has sha256 {found}, {source.sha256} was promised; it was deleted"
        )
    os.replace(part, done)
    return done


def digest_of(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _complete(source: Source, part: Path, report: Report) -> None:
    try:
        _append(source, part, report)
    except urllib.error.HTTPError as error:
        # Nothing is left to send: all of it was there already, as the digest will tell.
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.exists():
            return
        raise DownloadRefused(f"{source.url} answers {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise DownloadRefused(f"{source.url} cannot be reached: {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        there = part.stat().st_size if part.exists() else 0
        raise ModelError(
            f"the download broke off after {there:,} bytes ({error}); run it again to go on"
        ) from error


def _append(source: Source, part: Path, report: Report) -> None:
    have = part.stat().st_size if part.exists() else 0
    if source.size is not None and have == source.size:
        return
    headers = {"User-Agent": "sima"}
    request = urllib.request.Request(source.url, headers=headers)  # noqa: S310 - `fetch` checked
    if have:
        request.add_header("Range", f"bytes={have}-")
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - http(s) only
        resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        have = have if resumed else 0  # a server without ranges starts anew
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if resumed else "wb") as stream:
            while chunk := answer.read(_CHUNK):
                stream.write(chunk)
                have += len(chunk)
                report(have, total)
    if total is not None and have < total:
        raise http.client.IncompleteRead(b"", total - have)
