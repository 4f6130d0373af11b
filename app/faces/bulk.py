"""Enrolls many people in parallel. A repeated run continues after the reported photos."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from app.errors import DifferentPerson, NotReady, SimaError
from app.faces.enrollment import Enroller, EnrollOrder
from app.faces.pipeline.selection import FaceChoice
from app.faces.sources import SourcePhoto
from app.timings import Timings


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one photo; `code` and `reason` are set if it was refused or failed."""

    photo: str
    name: str
    outcome: Literal["enrolled", "refused", "failed"]
    person_id: str | None = None
    template_id: str | None = None
    code: str | None = None
    reason: str | None = None


class Report:
    """A file with one outcome per line, appended as photos are processed. Thread-safe."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self.outcomes = {outcome.photo: outcome for outcome in _read(file)}

    def add(self, outcome: Outcome) -> None:
        """Appends a line."""
        with self._lock:
            self.outcomes[outcome.photo] = outcome
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")

    def final_outcome(self, photo: SourcePhoto) -> Outcome | None:
        """Returns the outcome of an earlier run; None if the photo is new or failed."""
        known = self.outcomes.get(photo.key)
        return known if known is not None and known.outcome != "failed" else None


class BulkEnroller:
    """Enrolls photos with the checks of a single enrollment; people are processed in parallel."""

    def __init__(self, enroller: Enroller, collection: str, face: FaceChoice) -> None:
        self._enroller, self._collection, self._face = enroller, collection, face

    def enroll(
        self,
        photos: Iterable[SourcePhoto],
        report: Report,
        threads: int,
        progress: Callable[[int], None],
    ) -> None:
        """Enrolls the photos without a final outcome in the report; calls `progress` per photo.

        The photos of one person are enrolled in order; a photo that does not match the person is
        tried once more after the others. A refused photo does not stop the others.
        """
        people: dict[str, list[SourcePhoto]] = {}
        for photo in photos:
            people.setdefault(photo.person, []).append(photo)
        with ThreadPoolExecutor(threads) as pool:
            work = [
                pool.submit(self._enroll_person, of_person, report, progress)
                for of_person in people.values()
            ]
            for done in as_completed(work):
                done.result()

    def _enroll_person(
        self, photos: Sequence[SourcePhoto], report: Report, progress: Callable[[int], None]
    ) -> None:
        person_id: str | None = None
        mismatched: list[SourcePhoto] = []
        for photo in photos:
            outcome = report.final_outcome(photo)
            if outcome is None:
                outcome = self._enroll_photo(photo, person_id)
                if outcome.code == DifferentPerson.code:
                    mismatched.append(photo)
                    continue
                report.add(outcome)
            person_id = person_id or outcome.person_id
            progress(1)
        for photo in mismatched:  # it may match a photo that was added after it
            report.add(self._enroll_photo(photo, person_id))
            progress(1)

    def _enroll_photo(self, photo: SourcePhoto, person_id: str | None) -> Outcome:
        try:
            image = photo.file.read_bytes()
        except OSError as error:
            return _not_enrolled(photo, "failed", "no_file", error.strerror)
        known = person_id is not None
        order = EnrollOrder(
            name=photo.name,
            collection=self._collection,
            person_id=person_id,
            external_id=None if known else photo.external_id,
            metadata={} if known else photo.metadata,
            face=self._face,
            allow_duplicate=False,
            allow_mismatch=False,
            dry_run=False,
            key=self._idempotency_key(photo, image, person_id),
        )
        try:
            enrolled = self._enroller.enroll(image, order, Timings())
        except NotReady as error:
            return _not_enrolled(photo, "failed", error.code, str(error))
        except SimaError as error:
            return _not_enrolled(photo, "refused", error.code, str(error))
        assert enrolled.person is not None, "only a dry run has no person"
        assert enrolled.template is not None, "only a dry run has no template"
        person_id, template_id = enrolled.person.person_id, enrolled.template.template_id
        return Outcome(photo.key, enrolled.name, "enrolled", person_id, template_id)

    def _idempotency_key(self, photo: SourcePhoto, image: bytes, person_id: str | None) -> str:
        """Prevents a second template if a run is killed between enrollment and report."""
        parts = (self._collection, photo.key, photo.name, person_id or "")
        digest = hashlib.sha256("\0".join(parts).encode() + image).hexdigest()
        return f"import-{digest}"


def _not_enrolled(
    photo: SourcePhoto, outcome: Literal["refused", "failed"], code: str, reason: str | None
) -> Outcome:
    return Outcome(photo.key, photo.name, outcome, code=code, reason=reason)


def _read(file: Path) -> list[Outcome]:
    """Reads the outcomes of earlier runs; skips an incomplete last line of a killed run."""
    found: list[Outcome] = []
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                found.append(Outcome(**json.loads(line)))
            except (ValueError, TypeError):
                continue
    return found
