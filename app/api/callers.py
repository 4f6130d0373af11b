"""Who sent a request: the identity of its API key, for permissions, limits and logs."""

from collections.abc import Collection as Names
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from fastapi import Request
from starlette.types import Scope

from app.errors import Forbidden
from app.errors_access import OutOfScope
from app.settings import Role
from app.store.db.tables import GALLERY, VOCABULARY

_CALLER = "caller"
_RANKS: dict[Role, int] = {"read": 0, "enroll": 1, "admin": 2}
_SHOWN = 10

Permission = Literal["embeddings", "photos"]
"""What a role alone does not grant: to receive embeddings of faces, or stored photos and crops."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The identity and the rights of a caller. It never contains the key itself.

    `key_id` is the id of the API key, None in a service without keys. `collections` and
    `vocabularies` are the names that the key is restricted to, None for all.
    """

    key_id: str | None
    role: Role
    permissions: frozenset[Permission] = frozenset()
    collections: frozenset[str] | None = None
    vocabularies: frozenset[str] | None = None

    @property
    def is_restricted(self) -> bool:
        """Whether the key is restricted to some collections or vocabularies."""
        return self.collections is not None or self.vocabularies is not None

    def has_role(self, required: Role) -> bool:
        """Whether the role permits what `required` permits."""
        return _RANKS[self.role] >= _RANKS[required]

    def require_role(self, required: Role) -> None:
        """Raises Forbidden."""
        if not self.has_role(required):
            raise Forbidden(
                f"this API key has the role {self.role}; use a key with the role {required}"
            )

    def require_permission(self, required: Permission) -> None:
        """Raises Forbidden."""
        if required not in self.permissions:
            raise Forbidden(
                f"this API key does not permit to receive {required}; use one that was created "
                "with --embeddings, or with the role admin"
            )

    def require_collection(self, name: str) -> None:
        """Raises OutOfScope."""
        if self.collections is not None and name not in self.collections:
            raise OutOfScope(_text(f"the collection {name[:100]!r}", self.collections))

    def require_vocabulary(self, name: str) -> None:
        """Raises OutOfScope."""
        if self.vocabularies is not None and name not in self.vocabularies:
            raise OutOfScope(_text(f"the vocabulary {name[:100]!r}", self.vocabularies))

    def may_use(self, name: str, kind: str | None) -> bool:
        """Whether a collection or vocabulary is in the scope of the key.

        `kind` is None if it is not known; then a restricted key needs the name in one of its lists.
        """
        if kind == GALLERY:
            return self.collections is None or name in self.collections
        if kind == VOCABULARY:
            return self.vocabularies is None or name in self.vocabularies
        return not self.is_restricted or name in self._listed()

    def require_name(self, name: str, kind: str | None) -> None:
        """Raises OutOfScope unless `may_use`."""
        if not self.may_use(name, kind):
            raise OutOfScope(_text("this collection", self._listed()))

    def listed_names(self) -> frozenset[str] | None:
        """The names that a restricted key may use, of either kind; None for all."""
        return self._listed() if self.is_restricted else None

    def _listed(self) -> frozenset[str]:
        return (self.collections or frozenset()) | (self.vocabularies or frozenset())


def highest_role(roles: Iterable[Role | None]) -> Role | None:
    """The role that includes all others, None if there is none."""
    return max((role for role in roles if role is not None), key=_RANKS.__getitem__, default=None)


ANYBODY = Caller(key_id=None, role="admin", permissions=frozenset({"embeddings", "photos"}))
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


def _text(what: str, allowed: Names[str]) -> str:
    names = sorted(allowed)
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return f"this API key may not use {what}; it is restricted to {shown or 'none'}"
