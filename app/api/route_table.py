"""What every route requires of its caller. A route without an entry cannot be added."""

from dataclasses import dataclass
from typing import Literal

from app.api.callers import Permission
from app.settings import Public, Role

RouteScope = Literal[
    "none",
    "collection",
    "vocabulary",
    "collection and vocabulary",
    "either",
    "list",
    "service",
    "bound",
]
"""How the scope of a key restricts a route.

- `none`: it uses no stored people or words.
- `collection`, `vocabulary`: those that the request names, by default or by a person, must be in
  the scope of the key; `either`: the request names one of unknown kind.
- `list`: the response shows only what is in the scope of the key.
- `service`: it is about all collections; a restricted key is refused.
- `bound`: it uses the collection that the key is restricted to, without restriction the default
  one.
"""


@dataclass(frozen=True, slots=True)
class Access:
    """The lowest role, None if no key is required; the scope; and a further permission.

    `public` is the value of SIMA_PUBLIC with which no key is required.
    """

    role: Role | None
    scope: RouteScope
    permission: Permission | None = None
    public: Public | None = None


ROUTES = {
    "POST /detect": Access("read", "none"),
    "POST /embed": Access("read", "none", "embeddings"),
    "POST /verify": Access("read", "collection"),
    "POST /identify": Access("read", "collection"),
    "POST /enroll": Access("enroll", "collection"),
    "POST /enroll/batch": Access("enroll", "collection"),
    "GET /persons": Access("read", "collection"),
    "GET /persons/{person_id}": Access("read", "collection"),
    "PATCH /persons/{person_id}": Access("enroll", "collection"),
    "DELETE /persons/{person_id}": Access("enroll", "collection"),
    "POST /persons/{person_id}/merge": Access("enroll", "collection"),
    "GET /persons/{person_id}/not-this": Access("read", "collection"),
    "POST /persons/{person_id}/not-this": Access("enroll", "collection"),
    "DELETE /persons/{person_id}/not-this/{rejection_id}": Access("enroll", "collection"),
    "GET /persons/{person_id}/photos": Access("read", "collection"),
    "PATCH /persons/{person_id}/photos/{template_id}": Access("enroll", "collection"),
    "DELETE /persons/{person_id}/photos/{template_id}": Access("enroll", "collection"),
    "GET /persons/{person_id}/photos/{template_id}/image": Access("read", "collection", "photos"),
    "GET /persons/{person_id}/photos/{template_id}/crop": Access("read", "collection", "photos"),
    "GET /erasures": Access("read", "list"),
    "GET /erasures/{erasure_id}": Access("read", "either"),
    "GET /collections": Access("read", "list"),
    "POST /collections": Access("admin", "collection"),
    "GET /collections/{name}": Access("read", "either"),
    "PATCH /collections/{name}": Access("admin", "collection"),
    "DELETE /collections/{name}": Access("admin", "either"),
    "GET /collections/{name}/duplicates": Access("read", "collection"),
    "GET /collections/{name}/export": Access("admin", "collection"),
    "POST /collections/import": Access("admin", "collection"),
    "POST /collections/{name}/calibration": Access("admin", "collection"),
    "DELETE /collections/{name}/calibration": Access("admin", "collection"),
    "GET /collections/{name}/visitors": Access("read", "collection"),
    "POST /collections/{name}/visitors/{visitor_id}/promote": Access("enroll", "collection"),
    "DELETE /collections/{name}/visitors/{visitor_id}": Access("enroll", "collection"),
    "GET /words": Access("read", "vocabulary"),
    "GET /words/{word}": Access("read", "vocabulary"),
    "GET /words/{word}/map": Access("read", "vocabulary"),
    "GET /words/{word}/nearest": Access("read", "vocabulary"),
    "POST /words/nearest": Access("read", "vocabulary"),
    "POST /words/similarity": Access("read", "vocabulary"),
    "POST /words/odd-one-out": Access("read", "vocabulary"),
    "GET /vocabularies": Access("read", "list"),
    "POST /vocabularies": Access("admin", "vocabulary"),
    "GET /vocabularies/{name}": Access("read", "vocabulary"),
    "DELETE /vocabularies/{name}": Access("admin", "vocabulary"),
    "GET /vocabularies/{name}/export": Access("read", "vocabulary"),
    "PUT /vocabularies/{name}/words/{word:path}": Access("admin", "vocabulary"),
    "DELETE /vocabularies/{name}/words/{word:path}": Access("admin", "vocabulary"),
    "GET /v1/models": Access("read", "list"),
    "GET /v1/models/{model}": Access("read", "vocabulary"),
    "POST /v1/embeddings": Access("read", "vocabulary"),
    "POST /zero-shot/score": Access("read", "vocabulary"),
    "POST /zero-shot/classify": Access("read", "vocabulary"),
    "GET /zero-shot/projections": Access("read", "list"),
    "POST /zero-shot/projections": Access("admin", "collection and vocabulary"),
    "GET /zero-shot/projections/{name}": Access("read", "vocabulary"),
    "DELETE /zero-shot/projections/{name}": Access("admin", "vocabulary"),
    "GET /api-keys": Access("admin", "service"),
    "POST /api-keys": Access("admin", "service"),
    "DELETE /api-keys/{key_id}": Access("admin", "service"),
    "GET /audit": Access("admin", "service"),
    "GET /": Access(None, "none"),
    "GET /console": Access(None, "none"),
    "GET /console/{path:path}": Access(None, "none"),
    "GET /health": Access(None, "none"),
    "GET /ready": Access(None, "list"),
    "GET /models": Access(None, "none"),
    "GET /version": Access(None, "none"),
    "GET /metrics": Access("read", "service", public="metrics"),
    "GET /openapi.json": Access("read", "none", public="docs"),
    "GET /docs": Access("read", "none", public="docs"),
    "GET /docs/{file}": Access("read", "none", public="docs"),
    "GET /redoc": Access("read", "none", public="docs"),
}
"""By method and path."""


_DEEPSTACK = {
    "": Access("read", "none"),
    "/recognize": Access("read", "collection"),
    "/register": Access("enroll", "collection"),
    "/list": Access("read", "collection"),
    "/delete": Access("enroll", "collection"),
    "/match": Access("read", "none"),
}

DEEPSTACK_ROUTES = {
    f"POST {prefix}/v1/vision/face{path}": access
    for prefix in ("", "/{key}")
    for path, access in _DEEPSTACK.items()
}
"""They check the key after the body has been read, which may contain it."""

_ADD, _READ = Access("enroll", "bound"), Access("read", "bound")
_IMAGE = Access("read", "bound", "photos")

COMPREFACE_ROUTES = {
    "POST /api/v1/recognition/subjects": _ADD,
    "GET /api/v1/recognition/subjects": _READ,
    "DELETE /api/v1/recognition/subjects": _ADD,
    "PUT /api/v1/recognition/subjects/{subject:path}": _ADD,
    "DELETE /api/v1/recognition/subjects/{subject:path}": _ADD,
    "POST /api/v1/recognition/faces": _ADD,
    "GET /api/v1/recognition/faces": _READ,
    "DELETE /api/v1/recognition/faces": _ADD,
    "POST /api/v1/recognition/faces/delete": _ADD,
    "DELETE /api/v1/recognition/faces/{image_id}": _ADD,
    "GET /api/v1/recognition/faces/{image_id}/img": _IMAGE,
    "GET /api/v1/static/{key}/images/{image_id}": _IMAGE,
    "POST /api/v1/recognition/recognize": _READ,
    "POST /api/v1/recognition/faces/{image_id}/verify": _READ,
    "POST /api/v1/recognition/embeddings/recognize": _READ,
    "POST /api/v1/recognition/embeddings/faces/{image_id}/verify": _READ,
    "POST /api/v1/detection/detect": Access("read", "none"),
    "POST /api/v1/verification/verify": Access("read", "none"),
    "POST /api/v1/verification/embeddings/verify": Access("read", "none"),
}
"""An answer with embeddings also requires the permission to receive them."""

REKOGNITION_OPERATIONS = {
    "CreateCollection": Access("admin", "collection"),
    "DeleteCollection": Access("admin", "collection"),
    "DescribeCollection": Access("read", "collection"),
    "ListCollections": Access("read", "list"),
    "IndexFaces": Access("enroll", "collection"),
    "ListFaces": Access("read", "collection"),
    "DeleteFaces": Access("enroll", "collection"),
    "SearchFaces": Access("read", "collection"),
    "SearchFacesByImage": Access("read", "collection"),
    "CompareFaces": Access("read", "none"),
    "DetectFaces": Access("read", "none"),
    "CreateUser": Access("enroll", "collection"),
    "DeleteUser": Access("enroll", "collection"),
    "ListUsers": Access("read", "collection"),
    "AssociateFaces": Access("enroll", "collection"),
    "DisassociateFaces": Access("enroll", "collection"),
    "SearchUsers": Access("read", "collection"),
    "SearchUsersByImage": Access("read", "collection"),
}
"""By the operation that the header X-Amz-Target names; its route is REKOGNITION_ROUTE."""

REKOGNITION_ROUTE = "POST /"

COMPAT_ROUTES = {
    **DEEPSTACK_ROUTES,
    **COMPREFACE_ROUTES,
    REKOGNITION_ROUTE: Access("read", "collection"),
}
"""Those of `app.compat`."""


def access_of(method: str, path: str) -> Access:
    """The entry of a route. Raises LookupError if it has none."""
    route = f"{method} {path}"
    found = ROUTES.get(route) or COMPAT_ROUTES.get(route)
    if found is None:
        raise LookupError(f"{method} {path} has no entry in app/api/route_table.py; add one")
    return found
