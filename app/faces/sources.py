"""Where photos of many people come from: a folder per person, a CSV, a CompreFace export."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from app.errors import InvalidRequest

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_COLUMNS = frozenset({"name", "image", "external_id", "metadata"})


@dataclass(frozen=True, slots=True)
class SourcePhoto:
    """One photo to enroll. Photos with one `person` are one person's; `key` names the photo."""

    key: str
    person: str
    name: str
    file: Path
    external_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def find_photos(path: Path) -> list[SourcePhoto]:
    """By what `path` is: a `.csv`, a folder with CompreFace's `faces.json`, a folder of folders.

    Raises InvalidRequest where it is none of them, or a line of it is wrong; OSError.
    """
    if path.suffix.lower() == ".csv":
        found = list(_csv(path))
    elif (path / "faces.json").is_file():
        found = list(_compreface(path))
    elif path.is_dir():
        found = list(_folders(path))
    else:
        raise InvalidRequest("path", "expected a folder, a .csv, or a .sima archive")
    if not found:
        raise InvalidRequest("path", "no photos were found there")
    return found


def _folders(root: Path) -> Iterator[SourcePhoto]:
    """`NAME/photo.jpg`: the folder's name is the person's."""
    for folder in sorted(one for one in root.iterdir() if one.is_dir()):
        for file in sorted(folder.iterdir()):
            if file.suffix.lower() in PHOTO_SUFFIXES:
                key = f"{folder.name}/{file.name}"
                yield SourcePhoto(key, folder.name, folder.name, file)


def _csv(path: Path) -> Iterator[SourcePhoto]:
    """Columns `name,image` and, as one likes, `external_id,metadata` (a JSON object).

    Images lie relative to the CSV. Rows with one external id, or without one with the same name,
    are one person.
    """
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        columns = set(rows.fieldnames or ())
        if not {"name", "image"} <= columns <= _COLUMNS:
            raise InvalidRequest("line 1", f"line 1: columns are {', '.join(sorted(_COLUMNS))}")
        for row in rows:
            where = f"line {rows.line_num}"
            if None in row or None in row.values() or not row["name"] or not row["image"]:
                raise InvalidRequest(where, f"{where} has other columns than the first line says")
            external_id = row.get("external_id") or None
            yield SourcePhoto(
                f"{rows.line_num}:{row['image']}",
                external_id or row["name"],
                row["name"],
                path.parent / row["image"],
                external_id,
                _metadata(row.get("metadata") or "{}", where),
            )


def _metadata(written: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(written)
    except ValueError as error:
        raise InvalidRequest(where, f"{where}: metadata is not JSON") from error
    if not isinstance(found, dict):
        raise InvalidRequest(where, f"{where}: metadata is a JSON object")
    return found


class _Face(BaseModel):
    image_id: str = Field(pattern=r"^[A-Za-z0-9-]+$")
    subject: str


class _Page(BaseModel):
    faces: list[_Face]


def _compreface(root: Path) -> Iterator[SourcePhoto]:
    """`faces.json`: answers of CompreFace's `GET /api/v1/recognition/faces`, one or a list of
    pages; beside it `IMAGE_ID.jpg` (or .png, .webp) for each of them."""
    try:
        kept = json.loads((root / "faces.json").read_text(encoding="utf-8"))
        pages = TypeAdapter(list[_Page]).validate_python(kept if isinstance(kept, list) else [kept])
    except (ValueError, ValidationError) as error:
        raise InvalidRequest("faces.json", "it is no listing of CompreFace's faces") from error
    images = {one.stem: one for one in root.rglob("*") if one.suffix.lower() in PHOTO_SUFFIXES}
    for face in (face for page in pages for face in page.faces):
        file = images.get(face.image_id, root / f"{face.image_id}.jpg")
        yield SourcePhoto(face.image_id, face.subject, face.subject, file, face.subject)
