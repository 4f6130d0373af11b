"""Reads the multipart forms of DeepStack's clients."""

from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException

from app.api.uploads import InMemoryParser
from app.errors import InvalidRequest

_MAX_FILES, _MAX_FIELDS, _MAX_FIELD_BYTES = 10, 20, 10_000


@dataclass(frozen=True, slots=True)
class Form:
    """Fields and files of a form, by name. Fields that are unknown are ignored."""

    fields: dict[str, str]
    files: dict[str, bytes]

    def text(self, name: str) -> str:
        """The field. Raises InvalidRequest if it is missing, empty, or has a NUL character."""
        value = self.fields.get(name, "").strip()
        if not value:
            raise InvalidRequest(name, f"the field {name} is missing; send it in the form")
        if "\0" in value:  # PostgreSQL can neither store nor compare it
            raise InvalidRequest(name, f"the field {name} contains a NUL character; remove it")
        return value

    def number(self, name: str, default: float) -> float:
        """The field as a number, 0 to 1. Raises InvalidRequest for another value."""
        text = self.fields.get(name, "")
        try:
            value = float(text) if text else default
        except ValueError:
            value = -1.0
        if not 0.0 <= value <= 1.0:
            raise InvalidRequest(name, f"the field {name} is not a number from 0 to 1")
        return value

    def file(self, name: str) -> bytes:
        """The file of that name, or the only file. Raises InvalidRequest if there is none."""
        if name in self.files:
            return self.files[name]
        if len(self.files) == 1:
            return next(iter(self.files.values()))
        raise InvalidRequest(name, f"the file {name} is missing; send an image as {name}")


async def read_form(request: Request) -> Form:
    """Reads the form. Raises InvalidRequest; the middleware limits the size of the body."""
    try:
        form = await _parse(request)
    except (MultiPartException, KeyError, ValueError, AssertionError) as error:
        raise InvalidRequest(
            "body", f"the form is malformed, or has more than {_MAX_FILES} files"
        ) from error
    try:
        fields: dict[str, str] = {}
        files: dict[str, bytes] = {}
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files[name if name not in files else f"{name}-{len(files)}"] = await value.read()
            else:
                fields[name] = value
        return Form(fields, files)
    finally:
        await form.close()


async def _parse(request: Request) -> FormData:
    """A multipart form, or a form without files: clients send those in the other encoding."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        return await FormParser(request.headers, request.stream()).parse()
    parser = InMemoryParser(
        request.headers,
        request.stream(),
        max_files=_MAX_FILES,
        max_fields=_MAX_FIELDS,
        max_part_size=_MAX_FIELD_BYTES,
    )
    return await parser.parse()
