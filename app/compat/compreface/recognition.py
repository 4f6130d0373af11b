"""Endpoints that detect, recognize and verify the faces of images, and embeddings."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import Request, Response
from pydantic import TypeAdapter

from app.api.audit import record_decisions
from app.api.callers import caller_of
from app.api.deps import Context, Ctx, RequestTimings
from app.api.uploads import read_images, require_image
from app.audit_events import AuditEvent
from app.compat.compreface.answers import (
    ComparedEmbedding,
    ComparedEmbeddings,
    FaceView,
    FoundFace,
    FoundFaces,
    PluginsVersions,
    SimilarSubject,
    VerifiedPair,
    VerifiedPairs,
    reply,
)
from app.compat.compreface.examples import FILE
from app.compat.compreface.requests import (
    EmbeddingsBody,
    ImageFields,
    PredictionFields,
    RecognizeFields,
    VerificationBody,
    body_of,
    query_of,
    samples_of,
)
from app.compat.compreface.route import collection_of, new_router
from app.compat.compreface.scores import candidate_similarities, client_similarity
from app.compat.ids import template_id_of
from app.errors import NoFace
from app.faces.audit_events import comparison_events, identification_events
from app.faces.comparison import ComparedProbe
from app.faces.decisions.options import DecisionOptions
from app.faces.probes import TemplateSample
from app.faces.recognition import IdentifiedFace, IdentifyOrder
from app.timings import Timings

router = new_router()

_EMBEDDINGS = TypeAdapter(EmbeddingsBody)
_VERIFICATION = TypeAdapter(VerificationBody)
_PAIR = ("source_image", "target_image")


@router.post("/detection/detect")
async def detect(request: Request, ctx: Ctx, timings: RequestTimings) -> Response:
    """Detect the faces of an image."""
    fields, images = await read_images(request, ImageFields, FILE)
    image, accepted = require_image(images, "file"), fields.accepted()
    view = _view(request, ctx, fields, timings)
    services = ctx.services
    if fields.has_plugin("calculator"):
        embedded = await ctx.run(lambda: services.recognizer.embed(image, "all", timings, accepted))
        found = [view.face(one.face, one.embedding) for one in embedded]
    else:
        analysis = await ctx.run(lambda: services.pipeline.analyze(image, timings))
        found = [view.face(face) for face in analysis.filtered(accepted).faces]
    await record_decisions(request, ctx, _embedding_events(found))
    return reply(_found(found, view))


@router.post("/recognition/recognize")
async def recognize(request: Request, ctx: Ctx, timings: RequestTimings) -> Response:
    """Identify the faces of an image: the nearest subjects of each."""
    collection = collection_of(request)
    fields, images = await read_images(request, RecognizeFields, FILE)
    image, view = require_image(images, "file"), _view(request, ctx, fields, timings)
    order = IdentifyOrder(collection, fields.top_k(), DecisionOptions(), accepted=fields.accepted())
    result = await ctx.run(lambda: ctx.services.recognizer.identify(image, order, timings))
    found = [_recognized(one, view) for one in result.faces]
    events = identification_events(result, collection) + _embedding_events(found)
    await record_decisions(request, ctx, events)
    ctx.metrics.count_decisions("identify", (face.decision for face in result.faces))
    return reply(_found(found, view))


@router.post("/recognition/embeddings/recognize")
async def recognize_embeddings(request: Request, ctx: Ctx, timings: RequestTimings) -> Response:
    """Search for embeddings instead of faces."""
    collection, fields = collection_of(request), query_of(request, PredictionFields)
    embeddings = (await body_of(request, _EMBEDDINGS)).embeddings
    order = IdentifyOrder(collection, fields.top_k(), DecisionOptions())
    samples = samples_of(embeddings)
    result = await ctx.run(lambda: ctx.services.recognizer.identify_all(samples, order, timings))
    await record_decisions(request, ctx, identification_events(result, collection))
    ctx.metrics.count_decisions("identify", (face.decision for face in result.faces))
    answers = [
        ComparedEmbedding(embedding=sent, similarities=_subjects(found))
        for sent, found in zip(embeddings, result.faces, strict=True)
    ]
    return reply(ComparedEmbeddings(result=answers))


@router.post("/recognition/faces/{image_id}/verify")
async def verify_example(
    request: Request, ctx: Ctx, timings: RequestTimings, image_id: str
) -> Response:
    """Compare the faces of an image with an example."""
    collection, source = collection_of(request), TemplateSample(template_id_of(image_id))
    fields, images = await read_images(request, ImageFields, FILE)
    image, view = require_image(images, "file"), _view(request, ctx, fields, timings)
    accepted, comparer = fields.accepted(), ctx.services.comparer
    result = await ctx.run(lambda: comparer.compare(source, [image], timings, collection, accepted))
    found = [_compared(target, view) for target in result.targets]
    assert result.person is not None, "the source is a template"
    for face in found:
        face.subject = result.person.name
    events = comparison_events(result, collection) + _embedding_events(found)
    await record_decisions(request, ctx, events)
    return reply(_found(found, view))


@router.post("/recognition/embeddings/faces/{image_id}/verify")
async def verify_embeddings_with_example(
    request: Request, ctx: Ctx, timings: RequestTimings, image_id: str
) -> Response:
    """Compare embeddings with an example."""
    collection, source = collection_of(request), TemplateSample(template_id_of(image_id))
    embeddings = (await body_of(request, _EMBEDDINGS)).embeddings
    samples, comparer = samples_of(embeddings), ctx.services.comparer
    result = await ctx.run(lambda: comparer.compare(source, samples, timings, collection))
    await record_decisions(request, ctx, comparison_events(result, collection))
    return reply(_ranked(embeddings, result.targets))


@router.post("/verification/verify")
async def verify(request: Request, ctx: Ctx, timings: RequestTimings) -> Response:
    """Compare the only face of the source image with the faces of the target image."""
    fields, images = await read_images(request, ImageFields, _PAIR)
    source, target = (require_image(images, name) for name in _PAIR)
    accepted, comparer = fields.accepted(), ctx.services.comparer
    view = _view(request, ctx, fields, timings)
    result = await ctx.run(lambda: comparer.compare(source, [target], timings, accepted=accepted))
    assert result.source.face is not None, "the source is an image"
    first = view.face(result.source.face, result.source.embedding)
    found = [_compared(one, view) for one in result.targets]
    events = comparison_events(result, None) + _embedding_events([first, *found])
    await record_decisions(request, ctx, events)
    pair = VerifiedPair(
        source_image_face=first, face_matches=found, plugins_versions=view.plugins_versions()
    )
    return reply(VerifiedPairs(result=(pair,)))


@router.post("/verification/embeddings/verify")
async def verify_embeddings(request: Request, ctx: Ctx, timings: RequestTimings) -> Response:
    """Compare an embedding with others."""
    body = await body_of(request, _VERIFICATION)
    [source], targets = samples_of([body.source]), samples_of(body.targets)
    result = await ctx.run(lambda: ctx.services.comparer.compare(source, targets, timings))
    await record_decisions(request, ctx, comparison_events(result, None))
    return reply(_ranked(body.targets, result.targets))


def _view(request: Request, ctx: Context, fields: ImageFields, timings: Timings) -> FaceView:
    """What the answer shows. Raises Forbidden if the caller may not receive embeddings."""
    if fields.has_plugin("calculator"):
        caller_of(request).require_permission("embeddings")
    detector = Path(ctx.services.settings.detector).stem
    model = ctx.services.embedder.space.name
    return FaceView(fields, timings, PluginsVersions(detector=detector, calculator=model))


def _found(found: Sequence[FoundFace], view: FaceView) -> FoundFaces:
    """Raises NoFace, as CompreFace does for an image without a face."""
    if not found:
        raise NoFace("the image shows no face; send an image with a visible face")
    return FoundFaces(result=found, plugins_versions=view.plugins_versions())


def _recognized(found: IdentifiedFace, view: FaceView) -> FoundFace:
    assert found.face is not None, "an image was sent"
    face = view.face(found.face, found.embedding)
    face.subjects = _subjects(found)
    return face


def _subjects(found: IdentifiedFace) -> list[SimilarSubject]:
    return [
        SimilarSubject(subject=one.person.name, similarity=similarity)
        for one, similarity in candidate_similarities(found)
    ]


def _compared(target: ComparedProbe, view: FaceView) -> FoundFace:
    assert target.probe.face is not None, "an image was sent"
    face = view.face(target.probe.face, target.probe.embedding)
    face.similarity = client_similarity(target.judgement, target.judgement.matches)
    return face


def _ranked(
    embeddings: Sequence[list[float]], targets: Sequence[ComparedProbe]
) -> ComparedEmbeddings:
    """The embeddings with their similarities, most similar first."""
    answers = [
        ComparedEmbedding(
            embedding=sent, similarity=client_similarity(one.judgement, one.judgement.matches)
        )
        for sent, one in zip(embeddings, targets, strict=True)
    ]
    return ComparedEmbeddings(
        result=sorted(answers, key=lambda one: one.similarity or 0.0, reverse=True)
    )


def _embedding_events(found: Sequence[FoundFace]) -> list[AuditEvent]:
    """One event per embedding that the client receives."""
    return [AuditEvent("embed", "embedded") for face in found if face.embedding is not None]
