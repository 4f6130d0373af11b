"""Domain exceptions about people and what is stored about them."""

from app.errors import SimaError


class NameTaken(SimaError):
    """The collection has a person of this name already, `person_id`."""

    code = "name_taken"

    def __init__(self, person_id: str) -> None:
        super().__init__("a person of this name exists already; add photos to that person")
        self.person_id = person_id


class VisitorNotFound(SimaError):
    """The collection has no visitor with this id, or no longer."""

    code = "visitor_not_found"


class RejectionNotFound(SimaError):
    """The person has no rejection with this id."""

    code = "rejection_not_found"
