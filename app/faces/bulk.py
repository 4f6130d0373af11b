"""Enrolls many people in parallel. A repeated run continues after the stored enrollments."""

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from app.errors import DifferentPerson, NotReady, SimaError
from app.faces.enrollment import Enroller, EnrollOrder
from app.faces.pipeline.selection import FaceChoice
from app.faces.sources import SourcePhoto
from app.private_files import create_empty
from app.store.collections import get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.idempotency import StoredEnrollment
from app.store.imports import ImportedPhoto, find_imported, find_imported_person
from app.timings import Timings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What this run did with one photo; `code` and `reason` are set if it was refused or failed.

    `enrolled_before` means that an earlier run enrolled the photo and its template still exists.
    `possible_duplicate` is the id of another person whom the photo would verify as.
    """

    photo: str
    name: str
    outcome: Literal["enrolled", "enrolled_before", "refused", "failed"]
    person_id: str | None = None
    template_id: str | None = None
    code: str | None = None
    reason: str | None = None
    possible_duplicate: str | None = None


class Report:
    """A file with one outcome per line, written as photos are processed. Thread-safe.

    It describes one run: the file of an earlier run is replaced. Only its owner can read it,
    because it contains names.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self.outcomes: list[Outcome] = []
        create_empty(file)

    def add(self, outcome: Outcome) -> None:
        """Appends a line."""
        with self._lock:
            self.outcomes.append(outcome)
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """The parameters of a bulk import. Runs with the same `import_id` belong to one source: a new
    photo of a person whom an earlier run enrolled is added to that person."""

    import_id: str
    collection: str
    face: FaceChoice


class BulkEnroller:
    """Enrolls photos with the checks of a single enrollment; people are processed in parallel."""

    def __init__(self, enroller: Enroller, database: Database, order: ImportOrder) -> None:
        self._enroller, self._database, self._order = enroller, database, order

    def enroll(
        self,
        photos: Iterable[SourcePhoto],
        report: Report,
        threads: int,
        progress: Callable[[int], None],
    ) -> None:
        """Enrolls the photos that have no template in the gallery; calls `progress` per photo.

        The photos of one person are enrolled in order; a photo that does not match the person is
        tried once more after the others. A refused photo does not stop the others, and is tried
        again by the next run.
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
        first = photos[0]
        known = self._known_person(first)
        mismatched: list[SourcePhoto] = []
        for photo in photos:
            outcome = self._enroll_photo(photo, known, first.name)
            if outcome.code == DifferentPerson.code:
                mismatched.append(photo)
                continue
            report.add(outcome)
            known = known or outcome.person_id
            progress(1)
        for photo in mismatched:  # it may match a photo that was added after it
            report.add(self._enroll_photo(photo, known, first.name))
            progress(1)

    def _known_person(self, photo: SourcePhoto) -> str | None:
        """The id of the person whom an earlier run enrolled from photos of the same group."""
        key = self._key(photo, b"")
        with self._database.read() as session:
            gallery = get_collection(session, self._order.collection, GALLERY)
            return find_imported_person(session, gallery, key.import_id, key.person)

    def _enroll_photo(self, photo: SourcePhoto, person_id: str | None, group_name: str) -> Outcome:
        try:
            image = photo.file.read_bytes()
        except OSError as error:
            return _not_enrolled(photo, "failed", "no_file", error.strerror)
        imported = self._key(photo, image)
        try:
            before = self._enrolled_before(imported)
            if before is not None:
                return _outcome(photo, "enrolled_before", before)
            order = self._enroll_order(photo, person_id, group_name, imported)
            enrolled = self._enroller.enroll(image, order, Timings())
        except NotReady as error:
            return _not_enrolled(photo, "failed", error.code, str(error))
        except SimaError as error:
            return _not_enrolled(photo, "refused", error.code, str(error))
        assert enrolled.person is not None, "only a dry run has no person"
        assert enrolled.template is not None, "only a dry run has no template"
        stored = StoredEnrollment(enrolled.person, enrolled.template)
        outcome = _outcome(photo, "enrolled_before" if enrolled.replayed else "enrolled", stored)
        if enrolled.possible_duplicate is None:
            return outcome
        return replace(outcome, possible_duplicate=enrolled.possible_duplicate.person.person_id)

    def _enrolled_before(self, imported: ImportedPhoto) -> StoredEnrollment | None:
        with self._database.read() as session:
            gallery = get_collection(session, self._order.collection, GALLERY)
            return find_imported(session, gallery, imported)

    def _enroll_order(
        self,
        photo: SourcePhoto,
        person_id: str | None,
        group_name: str,
        imported: ImportedPhoto,
    ) -> EnrollOrder:
        """The order for a photo of a group whose first photo has the name `group_name`.

        That name is not compared with a known person's, who may have been renamed since.
        """
        known = person_id is not None
        return EnrollOrder(
            name=None if known and photo.name == group_name else photo.name,
            collection=self._order.collection,
            person_id=person_id,
            external_id=None if known else photo.external_id,
            metadata={} if known else photo.metadata,
            face=self._order.face,
            allow_duplicate=False,
            allow_mismatch=False,
            dry_run=False,
            imported=imported,
        )

    def _key(self, photo: SourcePhoto, image: bytes) -> ImportedPhoto:
        return ImportedPhoto.of(self._order.import_id, photo.person, image, self._order.face)


def _outcome(
    photo: SourcePhoto, outcome: Literal["enrolled", "enrolled_before"], stored: StoredEnrollment
) -> Outcome:
    person, template = stored.person, stored.template
    return Outcome(photo.key, person.name, outcome, person.person_id, template.template_id)


def _not_enrolled(
    photo: SourcePhoto, outcome: Literal["refused", "failed"], code: str, reason: str | None
) -> Outcome:
    return Outcome(photo.key, photo.name, outcome, code=code, reason=reason)
