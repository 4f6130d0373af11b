"""Which routes write to the audit log, and why the others do not.

A test compares this table with the routes of the application, and the actions with what requests
record.
"""

from dataclasses import dataclass

from app.audit_events import Action


@dataclass(frozen=True, slots=True)
class Audited:
    """Requests that succeed are recorded as `action`."""

    action: Action


@dataclass(frozen=True, slots=True)
class NotAudited:
    """Requests are in the access log only, because of `reason`."""

    reason: str


AuditDecision = Audited | NotAudited

_NO_DATA = NotAudited("it answers without data of people")
_WORDS = NotAudited("it reads words and their vectors, which are not data of people")
_NO_TEMPLATE = NotAudited("it answers with neither a photo nor an embedding of a person")
_NOTHING_STORED = NotAudited("it examines the photo that was sent, compares and stores nothing")

AUDIT_DECISIONS: dict[str, AuditDecision] = {
    "POST /detect": _NOTHING_STORED,
    "POST /embed": Audited("embed"),
    "POST /verify": Audited("verify"),
    "POST /identify": Audited("identify"),
    "POST /enroll": Audited("enroll"),
    "POST /enroll/batch": Audited("enroll"),
    "GET /persons": _NO_TEMPLATE,
    "GET /persons/{person_id}": _NO_TEMPLATE,
    "PATCH /persons/{person_id}": Audited("person.change"),
    "DELETE /persons/{person_id}": Audited("person.delete"),
    "POST /persons/{person_id}/merge": Audited("person.merge"),
    "GET /persons/{person_id}/not-this": _NO_TEMPLATE,
    "POST /persons/{person_id}/not-this": Audited("rejection.create"),
    "DELETE /persons/{person_id}/not-this/{rejection_id}": Audited("rejection.delete"),
    "GET /persons/{person_id}/photos": _NO_TEMPLATE,
    "PATCH /persons/{person_id}/photos/{template_id}": Audited("photo.move"),
    "DELETE /persons/{person_id}/photos/{template_id}": Audited("photo.delete"),
    "GET /persons/{person_id}/photos/{template_id}/image": Audited("photo.read"),
    "GET /persons/{person_id}/photos/{template_id}/crop": Audited("crop.read"),
    "GET /erasures": _NO_TEMPLATE,
    "GET /erasures/{erasure_id}": _NO_TEMPLATE,
    "GET /collections": _NO_DATA,
    "POST /collections": Audited("collection.create"),
    "GET /collections/{name}": _NO_DATA,
    "PATCH /collections/{name}": Audited("collection.change"),
    "DELETE /collections/{name}": Audited("collection.delete"),
    "GET /collections/{name}/duplicates": _NO_TEMPLATE,
    "GET /collections/{name}/export": Audited("collection.export"),
    "POST /collections/import": Audited("collection.import"),
    "POST /collections/{name}/calibration": Audited("collection.calibrate"),
    "DELETE /collections/{name}/calibration": Audited("collection.calibrate"),
    "GET /collections/{name}/visitors": _NO_TEMPLATE,
    "POST /collections/{name}/visitors/{visitor_id}/promote": Audited("visitor.promote"),
    "DELETE /collections/{name}/visitors/{visitor_id}": Audited("visitor.delete"),
    "GET /words": _WORDS,
    "GET /words/{word}": _WORDS,
    "GET /words/{word}/map": _WORDS,
    "GET /words/{word}/nearest": _WORDS,
    "POST /words/nearest": _WORDS,
    "POST /words/similarity": _WORDS,
    "POST /words/odd-one-out": _WORDS,
    "GET /vocabularies": _WORDS,
    "POST /vocabularies": Audited("vocabulary.create"),
    "GET /vocabularies/{name}": _WORDS,
    "DELETE /vocabularies/{name}": Audited("vocabulary.delete"),
    "GET /vocabularies/{name}/export": Audited("vocabulary.export"),
    "PUT /vocabularies/{name}/words/{word:path}": Audited("word.change"),
    "DELETE /vocabularies/{name}/words/{word:path}": Audited("word.delete"),
    "POST /v1/embeddings": _WORDS,
    "GET /v1/models": _NO_DATA,
    "GET /v1/models/{model}": _NO_DATA,
    "POST /zero-shot/score": _NO_TEMPLATE,
    "POST /zero-shot/classify": _WORDS,
    "GET /zero-shot/projections": _NO_DATA,
    "POST /zero-shot/projections": Audited("projection.create"),
    "GET /zero-shot/projections/{name}": _NO_DATA,
    "DELETE /zero-shot/projections/{name}": Audited("projection.delete"),
    "GET /api-keys": _NO_DATA,
    "POST /api-keys": Audited("api_key.create"),
    "DELETE /api-keys/{key_id}": Audited("api_key.revoke"),
    "GET /audit": Audited("audit.read"),
    "GET /": _NO_DATA,
    "GET /console": _NO_DATA,
    "GET /console/{path:path}": _NO_DATA,
    "GET /health": _NO_DATA,
    "GET /ready": _NO_DATA,
    "GET /models": _NO_DATA,
    "GET /version": _NO_DATA,
    "GET /metrics": _NO_DATA,
    "GET /docs": _NO_DATA,
    "GET /docs/{file}": _NO_DATA,
    "GET /redoc": _NO_DATA,
    "GET /openapi.json": _NO_DATA,
}
"""By method and path."""

_DEEPSTACK: dict[str, AuditDecision] = {
    "": _NOTHING_STORED,
    "/recognize": Audited("identify"),
    "/register": Audited("enroll"),
    "/list": _NO_TEMPLATE,
    "/delete": Audited("person.delete"),
    "/match": Audited("verify"),
}
for _prefix in ("", "/{key}"):
    for _path, _decision in _DEEPSTACK.items():
        AUDIT_DECISIONS[f"POST {_prefix}/v1/vision/face{_path}"] = _decision

REKOGNITION_DECISIONS: dict[str, AuditDecision] = {
    "CreateCollection": Audited("collection.create"),
    "DeleteCollection": Audited("collection.delete"),
    "DescribeCollection": _NO_DATA,
    "ListCollections": _NO_DATA,
    "IndexFaces": Audited("enroll"),
    "ListFaces": _NO_TEMPLATE,
    "DeleteFaces": Audited("photo.delete"),
    "SearchFaces": Audited("identify"),
    "SearchFacesByImage": Audited("identify"),
    "CompareFaces": Audited("verify"),
    "DetectFaces": _NOTHING_STORED,
    "CreateUser": Audited("person.change"),
    "DeleteUser": Audited("person.delete"),
    "ListUsers": _NO_TEMPLATE,
    "AssociateFaces": Audited("photo.move"),
    "DisassociateFaces": Audited("photo.move"),
    "SearchUsers": Audited("identify"),
    "SearchUsersByImage": Audited("identify"),
}
"""By the operation of the route `POST /`."""

AUDIT_DECISIONS["POST /"] = NotAudited("it is audited by operation, see REKOGNITION_DECISIONS")

_RECOGNITION = "/api/v1/recognition"
AUDIT_DECISIONS |= {
    f"POST {_RECOGNITION}/subjects": Audited("person.change"),
    f"GET {_RECOGNITION}/subjects": _NO_TEMPLATE,
    f"DELETE {_RECOGNITION}/subjects": Audited("person.delete"),
    f"PUT {_RECOGNITION}/subjects/{{subject:path}}": Audited("person.change"),
    f"DELETE {_RECOGNITION}/subjects/{{subject:path}}": Audited("person.delete"),
    f"POST {_RECOGNITION}/faces": Audited("enroll"),
    f"GET {_RECOGNITION}/faces": _NO_TEMPLATE,
    f"DELETE {_RECOGNITION}/faces": Audited("person.delete"),
    f"POST {_RECOGNITION}/faces/delete": Audited("photo.delete"),
    f"DELETE {_RECOGNITION}/faces/{{image_id}}": Audited("photo.delete"),
    f"GET {_RECOGNITION}/faces/{{image_id}}/img": Audited("photo.read"),
    "GET /api/v1/static/{key}/images/{image_id}": Audited("photo.read"),
    f"POST {_RECOGNITION}/recognize": Audited("identify"),
    f"POST {_RECOGNITION}/faces/{{image_id}}/verify": Audited("verify"),
    f"POST {_RECOGNITION}/embeddings/recognize": Audited("identify"),
    f"POST {_RECOGNITION}/embeddings/faces/{{image_id}}/verify": Audited("verify"),
    "POST /api/v1/detection/detect": _NOTHING_STORED,
    "POST /api/v1/verification/verify": Audited("verify"),
    "POST /api/v1/verification/embeddings/verify": Audited("verify"),
}
# Whoever receives embeddings (the plugin `calculator`) is recorded as `embed` besides, and a change
# to the name of another subject as `person.merge`.
