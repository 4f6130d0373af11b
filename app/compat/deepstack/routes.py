"""The endpoints of DeepStack's face API, with a key in the form, in a header or in the path."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.datastructures import MutableHeaders
from starlette.responses import Response

from app.api.audit import record_decisions
from app.api.authorization import authorize
from app.api.callers import caller_of
from app.api.deps import Context, Ctx, RequestTimings
from app.api.problems import STATUS
from app.api.route_table import Access, access_of
from app.compat.deepstack.answers import (
    Answer,
    Failure,
    Matched,
    Prediction,
    Predictions,
    Registered,
    UserList,
)
from app.compat.deepstack.forms import Form, read_form
from app.compat.deepstack.scores import MATCH, client_score
from app.compat.deepstack.users import Users
from app.errors import InvalidRequest, NoFace, SimaError
from app.faces.audit_events import identification_events, verification_events
from app.faces.decisions.options import DecisionOptions
from app.faces.enrollment import DEFAULT_COLLECTION
from app.faces.recognition import IdentifiedFace, IdentifyOrder
from app.timings import Timings

router = APIRouter(include_in_schema=False)

_DETECTED = 0.4
"""The lowest detection score of a face if the client sends no min_confidence."""
_NO_FACE = 500
"""The code of DeepStack for a recognition without a face."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a client."""

    request: Request
    ctx: Context
    form: Form
    timings: Timings

    @property
    def users(self) -> Users:
        """The people of the default gallery."""
        return Users(self.ctx.services.galleries, self.ctx.services.enroller)


Work = Callable[[Call], Awaitable[Answer]]


async def detect(call: Call) -> Answer:
    """Detects the faces of `image`."""
    image, lowest = call.form.file("image"), call.form.number("min_confidence", _DETECTED)
    pipeline = call.ctx.services.pipeline
    analysis = await call.ctx.run(lambda: pipeline.analyze(image, call.timings))
    found = [Prediction.of(face, face.detection.score) for face in analysis.faces]
    return _predictions([one for one in found if one.confidence >= lowest])


async def recognize(call: Call) -> Answer:
    """Identifies the faces of `image`; a face that is not a match has the userid `unknown`."""
    image, lowest = call.form.file("image"), call.form.number("min_confidence", MATCH)
    order = IdentifyOrder(DEFAULT_COLLECTION, top_k=1, options=DecisionOptions())
    recognizer = call.ctx.services.recognizer
    result = await call.ctx.run(lambda: recognizer.identify(image, order, call.timings))
    await record_decisions(
        call.request, call.ctx, identification_events(result, DEFAULT_COLLECTION)
    )
    if not result.faces:
        raise NoFace("No face found in image")
    return _predictions([_recognized(face, lowest) for face in result.faces])


async def register(call: Call) -> Answer:
    """Registers the largest face of every file of the form for `userid`."""
    userid, images = call.form.text("userid"), list(call.form.files.values())
    if not images:
        raise InvalidRequest("image", "no file was sent; send an image")
    photos = await call.ctx.run(lambda: call.users.examine(images, userid, call.timings))
    await call.ctx.write(lambda: call.users.register(userid, photos, call.timings))
    return Registered(message="face added")


async def list_users(call: Call) -> Answer:
    """Lists the userids."""
    return UserList(faces=await call.ctx.run(call.users.names))


async def delete_user(call: Call) -> Answer:
    """Deletes `userid` with all photos."""
    userid = call.form.text("userid")
    await call.ctx.write(lambda: call.users.delete(userid))
    return Answer(success=True)


async def match(call: Call) -> Answer:
    """Compares the faces of `image1` and `image2`."""
    a, b = call.form.file("image1"), call.form.file("image2")
    recognizer = call.ctx.services.recognizer
    result = await call.ctx.run(
        lambda: recognizer.verify_pair(a, b, "subject", DecisionOptions(), call.timings)
    )
    await record_decisions(call.request, call.ctx, verification_events(result))
    return Matched(similarity=client_score(result.judgement))


_ENDPOINTS: tuple[tuple[str, Work], ...] = (
    ("", detect),
    ("/recognize", recognize),
    ("/register", register),
    ("/list", list_users),
    ("/delete", delete_user),
    ("/match", match),
)


def _add_endpoint(path: str, work: Work) -> None:
    access = access_of("POST", f"/v1/vision/face{path}")

    async def answer(request: Request, ctx: Ctx, timings: RequestTimings) -> Response:
        began = time.perf_counter()
        try:
            form = await read_form(request)
            await _authorize(
                request, request.path_params.get("key") or form.fields.get("api_key"), access
            )
            found = await work(Call(request, ctx, form, timings))
        except SimaError as error:
            found = _failure(error)
        found.processMs = round(1000 * (time.perf_counter() - began))
        found.inferenceMs = round(sum(timings.milliseconds.values()))
        return Response(found.model_dump_json(exclude_none=True), media_type="application/json")

    for prefix in ("", "/{key}"):
        name = f"deepstack_{work.__name__}"
        router.add_api_route(f"{prefix}/v1/vision/face{path}", answer, methods=["POST"], name=name)


for _path, _work in _ENDPOINTS:
    _add_endpoint(_path, _work)


async def _authorize(request: Request, key: str | None, access: Access) -> None:
    """Checks the key of the path or the form, or that of a header if there is neither.

    The key of a form is known only after the body has been read, whose size is limited.
    """
    if key:  # headers are Latin-1; a key with other characters is unknown
        escaped = key.encode("latin-1", "backslashreplace").decode("latin-1")
        MutableHeaders(scope=request.scope)["X-API-Key"] = escaped
    again = Request(request.scope)  # a Request keeps the headers that it has read
    await authorize(again, access)
    if access.scope == "collection":
        caller_of(again).require_collection(DEFAULT_COLLECTION)


def _predictions(found: list[Prediction]) -> Predictions:
    return Predictions(predictions=found, count=len(found), message=f"faces: {len(found)}")


def _recognized(face: IdentifiedFace, lowest: float) -> Prediction:
    assert face.face is not None, "an image was sent"
    if face.decision == "match" and face.person is not None:
        sure = client_score(face.candidates[0].judgement)
        if sure >= lowest:
            return Prediction.of(face.face, sure, face.person.name)
    return Prediction.of(face.face, 0.0, "unknown")


def _failure(error: SimaError) -> Failure:
    if isinstance(error, NoFace):
        return Failure(code=_NO_FACE, error=str(error))
    status = STATUS.get(error.code, 500)
    return Failure(code=status, error="internal error" if status == 500 else str(error))
