"""Users of DeepStack's API: the people of the default gallery, identified by their name."""

from collections.abc import Sequence

from app.errors import PersonNotFound
from app.faces.enrollment import DEFAULT_COLLECTION, Enroller, EnrollOrder, ExaminedPhoto
from app.faces.people import Galleries
from app.store.people import Person
from app.store.person_search import EVERYBODY, PersonSearch
from app.timings import Timings

_PAGE = 500


class Users:
    """Registers, lists and deletes people by name. Each method may take several transactions."""

    def __init__(self, galleries: Galleries, enroller: Enroller) -> None:
        self._galleries, self._enroller = galleries, enroller

    def names(self) -> list[str]:
        """The names of all people, in order of enrollment, each once."""
        return list(dict.fromkeys(person.name for person in self._people(EVERYBODY)))

    def examine(
        self, images: Sequence[bytes], userid: str, timings: Timings
    ) -> list[ExaminedPhoto]:
        """Examines the largest face of each image. Raises the errors of `Enroller.examine`."""
        order = _order(userid, None)
        return [self._enroller.examine(image, order, timings) for image in images]

    def register(self, userid: str, photos: Sequence[ExaminedPhoto], timings: Timings) -> None:
        """Adds the photos to the person of this name, who is created if there is none.

        Raises the errors of `Enroller.add`; the photos before the refused one are stored.
        """
        known = self._find(userid)
        person_id = known[0].person_id if known else None
        for photo in photos:
            done = self._enroller.add(photo, _order(userid, person_id), timings)
            person_id = done.person.person_id if done.person else None

    def delete(self, userid: str) -> None:
        """Deletes every person of this name. Raises PersonNotFound."""
        found = self._find(userid)
        if not found:
            raise PersonNotFound("no person has this userid")
        for person in found:
            self._galleries.delete(person.person_id)

    def _find(self, userid: str) -> list[Person]:
        """The people of exactly this name."""
        return self._people(PersonSearch(exact_name=userid))

    def _people(self, search: PersonSearch) -> list[Person]:
        found: list[Person] = []
        after: int | None = 0
        while after is not None:
            page = self._galleries.page(DEFAULT_COLLECTION, search, after, _PAGE)
            found += page.people
            after = page.next_after
        return found


def _order(userid: str, person_id: str | None) -> EnrollOrder:
    """DeepStack refuses no face for its quality, so the quality is only recorded."""
    return EnrollOrder(
        name=userid,
        collection=DEFAULT_COLLECTION,
        person_id=person_id,
        external_id=None,
        metadata={},
        face="largest",
        allow_duplicate=False,
        allow_mismatch=False,
        dry_run=False,
        allow_poor_quality=True,
    )
