"""Domain exceptions about people who are identified by their name."""

from app.errors import SimaError


class NameTaken(SimaError):
    """The collection has a person of this name already, `person_id`."""

    code = "name_taken"

    def __init__(self, person_id: str) -> None:
        super().__init__("a person of this name exists already; add photos to that person")
        self.person_id = person_id
