"""What a service acknowledged to its clients before it was killed."""

import random
import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Acknowledged:
    """The responses that all clients received, over all starts of the service.

    `names` are the names of all sent enrollments, acknowledged or not: a name that two people have
    was enrolled twice. `uploads` are vocabularies, `imports` galleries from archives.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    counts: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)
    people: dict[str, str] = field(default_factory=dict)  # person_id -> name
    deleted: set[str] = field(default_factory=set)
    uploads: set[str] = field(default_factory=set)
    deleted_uploads: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)

    def count(self, what: str, number: int = 1) -> None:
        """Adds to the count `what`."""
        with self.lock:
            self.counts[what] += number

    def send(self, name: str) -> str:
        """Records a name that is about to be sent, and returns it."""
        with self.lock:
            self.names.add(name)
        return name

    def enrolled(self, person_id: str, name: str) -> None:
        """Records an acknowledged enrollment."""
        with self.lock:
            self.counts["enrolled"] += 1
            self.people[person_id] = name

    def take(self, choice: random.Random) -> str | None:
        """Returns a person whom nobody has deleted, and gives the person to no other client."""
        with self.lock:
            if not self.people:
                return None
            person_id = choice.choice(sorted(self.people))
            del self.people[person_id]
            return person_id

    def has_deleted(self, person_id: str) -> None:
        """Records an acknowledged deletion."""
        with self.lock:
            self.counts["deleted"] += 1
            self.deleted.add(person_id)

    @property
    def total(self) -> int:
        """The number of acknowledged changes."""
        with self.lock:
            return sum(self.counts[what] for what in ("enrolled", "deleted", "uploaded"))
