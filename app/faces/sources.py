"""Lists the photos of a bulk import: folders per person, a CSV file or a CompreFace export."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from app.errors import InvalidRequest
from app.store.person_fields import require_valid_person

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic"})
_COLUMNS = frozenset({"name", "image", "external_id", "metadata"})


@dataclass(frozen=True, slots=True)
class SourcePhoto:
    """A photo to enroll. `key` identifies it in the import, `person` groups the photos."""

    key: str
    person: str
    name: str
    file: Path
    external_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def find_photos(path: Path) -> list[SourcePhoto]:
    """Lists the photos of a `.csv`, a folder with `faces.json`, or a folder per person.

    Raises InvalidRequest for any other path, an invalid line or a name that must not be stored, and
    OSError.
    """
    if path.suffix.lower() == ".csv":
        found = _read_csv(path)
    elif (path / "faces.json").is_file():
        found = list(_compreface(path))
    elif path.is_dir():
        found = list(_folders(path))
    else:
        raise InvalidRequest(
            "path", "the path is not supported; use a folder, a .csv file or a .sima archive"
        )
    if not found:
        raise InvalidRequest("path", "no photos found; add JPEG, PNG, WebP, AVIF or HEIC files")
    for photo in found:
        _require_valid(photo)
    return found


def _require_valid(photo: SourcePhoto) -> None:
    """Raises InvalidRequest with the photo's key in ASCII, as names may not be valid Unicode."""
    try:
        photo.key.encode()
        require_valid_person(photo.name, photo.external_id, photo.metadata)
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            "path", f"{photo.key!a}: the file name is not valid UTF-8; rename it"
        ) from error
    except InvalidRequest as error:
        raise InvalidRequest("path", f"{photo.key!a}: {error}") from error


def _folders(root: Path) -> Iterator[SourcePhoto]:
    """Reads `NAME/photo.jpg`; the name of the folder is the name of the person."""
    for folder in sorted(one for one in root.iterdir() if one.is_dir()):
        for file in sorted(folder.iterdir()):
            if file.suffix.lower() in PHOTO_SUFFIXES:
                key = f"{folder.name}/{file.name}"
                yield SourcePhoto(key, folder.name, folder.name, file)


def _read_csv(path: Path) -> list[SourcePhoto]:
    try:
        return list(_csv(path))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(
            "path", "the CSV file cannot be read; save it in UTF-8, with short fields"
        ) from error


def _csv(path: Path) -> Iterator[SourcePhoto]:
    """Reads a CSV with the columns `name,image` and optionally `external_id,metadata` (JSON).

    Image paths are relative to the CSV file. Rows with the same external id, or without one and
    with the same name, are one person.
    """
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        columns = set(rows.fieldnames or ())
        if not {"name", "image"} <= columns <= _COLUMNS:
            raise InvalidRequest(
                "line 1",
                "line 1: the columns are invalid; use name and image, optionally external_id and "
                "metadata",
            )
        for row in rows:
            where = f"line {rows.line_num}"
            if None in row or None in row.values() or not row["name"] or not row["image"]:
                raise InvalidRequest(
                    where,
                    f"{where}: name, image or another column is missing; complete it",
                )
            external_id = row.get("external_id") or None
            yield SourcePhoto(
                f"{rows.line_num}:{row['image']}",
                external_id or row["name"],
                row["name"],
                path.parent / row["image"],
                external_id,
                _metadata(row.get("metadata") or "{}", where),
            )


def _metadata(text: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(where, f"{where}: metadata is not JSON; use a JSON object") from error
    if not isinstance(found, dict):
        raise InvalidRequest(where, f"{where}: metadata is not an object; use a JSON object")
    try:
        require_valid_person(None, None, found)
    except InvalidRequest as error:
        raise InvalidRequest(where, f"{where}: {error}") from error
    return found


class _Face(BaseModel):
    image_id: str = Field(pattern=r"^[A-Za-z0-9-]+$")
    subject: str


class _Page(BaseModel):
    faces: list[_Face]


def _compreface(root: Path) -> Iterator[SourcePhoto]:
    """Reads `faces.json`, one page or a list of pages of `GET /api/v1/recognition/faces` of
    CompreFace, and the image files `IMAGE_ID.jpg` (or .png, .webp) in the same folder."""
    try:
        kept = json.loads((root / "faces.json").read_text(encoding="utf-8"))
        pages = TypeAdapter(list[_Page]).validate_python(kept if isinstance(kept, list) else [kept])
    except (ValueError, ValidationError) as error:
        raise InvalidRequest(
            "faces.json",
            "the file is not a listing of CompreFace's faces; save GET /api/v1/recognition/faces",
        ) from error
    images = {one.stem: one for one in root.rglob("*") if one.suffix.lower() in PHOTO_SUFFIXES}
    for face in (face for page in pages for face in page.faces):
        file = images.get(face.image_id, root / f"{face.image_id}.jpg")
        yield SourcePhoto(face.image_id, face.subject, face.subject, file, face.subject)
