"""Who sent a request: the identity of its API key, for permissions, limits and logs."""

from dataclasses import dataclass
from typing import cast

from fastapi import Request
from starlette.types import Scope

from app.settings import Role

_CALLER = "caller"
_RANKS: dict[Role, int] = {"read": 0, "enroll": 1, "admin": 2}


@dataclass(frozen=True, slots=True)
class Caller:
    """The identity of a caller. It never contains the key itself.

    `key_id` is the id of the API key, None in a service without keys.
    """

    key_id: str | None
    role: Role

    def has_role(self, required: Role) -> bool:
        """Whether the role permits what `required` permits."""
        return _RANKS[self.role] >= _RANKS[required]


ANYBODY = Caller(key_id=None, role="admin")
"""Every caller of a service without keys."""


def caller_of(request: Request) -> Caller:
    """The caller of a request to an endpoint that requires a role."""
    return cast(Caller, request.scope[_CALLER])


def find_caller(scope: Scope) -> Caller | None:
    """The caller of a request; None if its key is unknown, or its endpoint requires no role.

    A caller whose role is insufficient is found, too.
    """
    return cast(Caller | None, scope.get(_CALLER))


def set_caller(scope: Scope, caller: Caller) -> None:
    """Records the caller of the request."""
    scope[_CALLER] = caller
