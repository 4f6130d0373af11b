"""Enroll many people: beside each other, one person's photos in a row; stopped, it goes on."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from app.errors import NotReady, SimaError
from app.faces.enrollment import Enroller, EnrollOrder
from app.faces.sources import SourcePhoto
from app.timings import Timings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photo; `code` and `reason` say why it was refused, or failed."""

    photo: str
    name: str
    outcome: Literal["enrolled", "refused", "failed"]
    person_id: str | None = None
    template_id: str | None = None
    code: str | None = None
    reason: str | None = None


class Report:
    """A file with one outcome a line, written as they come: what a killed run did is known."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self.known = {outcome.photo: outcome for outcome in _read(file)}

    def add(self, outcome: Outcome) -> None:
        """Append a line."""
        with self._lock:
            self.known[outcome.photo] = outcome
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")

    def done(self, photo: SourcePhoto) -> Outcome | None:
        """What is settled; a photo that failed is tried again."""
        known = self.known.get(photo.key)
        return known if known is not None and known.outcome != "failed" else None


class BulkEnroller:
    """Photo by photo through the same door as a single enrollment."""

    def __init__(
        self, enroller: Enroller, collection: str, face: Literal["only", "largest"]
    ) -> None:
        self._enroller, self._collection, self._face = enroller, collection, face

    def enroll(
        self,
        photos: Iterable[SourcePhoto],
        report: Report,
        threads: int,
        progress: Callable[[int], None],
    ) -> None:
        """All photos that the report does not settle yet. A refused photo stops nothing."""
        people: dict[str, list[SourcePhoto]] = {}
        for photo in photos:
            people.setdefault(photo.person, []).append(photo)
        with ThreadPoolExecutor(threads) as pool:
            work = [pool.submit(self._person, some, report, progress) for some in people.values()]
            for one in as_completed(work):
                one.result()

    def _person(
        self, photos: Sequence[SourcePhoto], report: Report, progress: Callable[[int], None]
    ) -> None:
        person_id: str | None = None
        for photo in photos:
            outcome = report.done(photo)
            if outcome is None:
                outcome = self._one(photo, person_id)
                report.add(outcome)
            person_id = person_id or outcome.person_id
            progress(1)

    def _one(self, photo: SourcePhoto, person_id: str | None) -> Outcome:
        try:
            image = photo.file.read_bytes()
        except OSError as error:
            return Outcome(photo.key, photo.name, "failed", None, None, "no_file", error.strerror)
        known = person_id is not None
        order = EnrollOrder(
            name=photo.name,
            collection=self._collection,
            person_id=person_id,
            external_id=None if known else photo.external_id,
            metadata={} if known else photo.metadata,
            face=self._face,
            allow_duplicate=False,
            dry_run=False,
            key=self._key(photo, image, person_id),
        )
        try:
            done = self._enroller.enroll(image, order, Timings())
        except NotReady as error:
            return Outcome(photo.key, photo.name, "failed", None, None, error.code, str(error))
        except SimaError as error:
            return Outcome(photo.key, photo.name, "refused", None, None, error.code, str(error))
        assert done.person is not None
        assert done.template is not None
        return Outcome(
            photo.key, done.name, "enrolled", done.person.person_id, done.template.template_id
        )

    def _key(self, photo: SourcePhoto, image: bytes, person_id: str | None) -> str:
        """An idempotency key: a run that was killed before it wrote its line enrolls no twin."""
        parts = (self._collection, photo.key, photo.name, person_id or "")
        named = hashlib.sha256("\0".join(parts).encode() + image).hexdigest()
        return f"import-{named}"


def _read(file: Path) -> list[Outcome]:
    """Outcomes of an earlier run; a line that a kill cut off is left out."""
    found: list[Outcome] = []
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                found.append(Outcome(**json.loads(line)))
            except (ValueError, TypeError):
                continue
    return found
