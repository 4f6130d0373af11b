"""The answers about users."""

from collections.abc import Sequence
from typing import Literal

from app.compat.rekognition.answers import Answer, FaceDetail, UnsuccessfulFace
from app.compat.rekognition.scores import client_similarity
from app.faces.face_search import UserMatch
from app.store.people import Person

UserStatus = Literal["ACTIVE", "CREATED"]
"""ACTIVE users have faces. Changes apply at once, so that no user is UPDATING."""


class User(Answer):
    """A user."""

    user_id: str
    user_status: UserStatus

    @classmethod
    def of(cls, person: Person) -> "User":
        return cls(user_id=str(person.external_id), user_status=status_of(person))


class UserList(Answer):
    """A page of users in order of creation."""

    users: Sequence[User]
    next_token: str | None


class FaceReference(Answer):
    """The id of a face."""

    face_id: str


class AssociatedFaces(Answer):
    """The answer of AssociateFaces."""

    associated_faces: Sequence[FaceReference]
    unsuccessful_face_associations: Sequence[UnsuccessfulFace]
    user_status: UserStatus


class DisassociatedFaces(Answer):
    """The answer of DisassociateFaces."""

    disassociated_faces: Sequence[FaceReference]
    unsuccessful_face_disassociations: Sequence[UnsuccessfulFace]
    user_status: UserStatus


class MatchedUser(Answer):
    """A user near the searched face."""

    similarity: float
    user: User

    @classmethod
    def of(cls, match: UserMatch) -> "MatchedUser":
        return cls(similarity=client_similarity(match.graded), user=User.of(match.person))


class UserReference(Answer):
    """The id of a user."""

    user_id: str


class FoundUsers(Answer):
    """The answer of SearchUsers, most similar first."""

    user_matches: Sequence[MatchedUser]
    face_model_version: str
    searched_face: FaceReference | None = None
    searched_user: UserReference | None = None


class SearchedDetail(Answer):
    """The face of an image that was searched for."""

    face_detail: FaceDetail


class UnsearchedFace(Answer):
    """A face of the image that was not searched for."""

    face_details: FaceDetail
    reasons: list[str] = ["FACE_NOT_LARGEST"]


class FoundUsersByImage(Answer):
    """The answer of SearchUsersByImage, most similar first."""

    user_matches: Sequence[MatchedUser]
    face_model_version: str
    searched_face: SearchedDetail
    unsearched_faces: Sequence[UnsearchedFace]


def status_of(person: Person) -> UserStatus:
    """Whether the user has faces."""
    return "ACTIVE" if person.photos else "CREATED"
