"""The zero-shot service: scores labels for texts, words, vectors and faces."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.errors import InvalidRequest, WordNotFound
from app.faces.pipeline.pipeline import FacePipeline
from app.store.collections import get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.projections import StoredProjection
from app.store.templates import vectors_by_template_id
from app.texts.space import Label, TextSpace, TextSpaces
from app.timings import Timings
from app.vectors import EmbeddingSpace, Vector
from app.words.raw_vectors import to_unit_vector
from app.zero_shot.classifier import Classification, Classifier, Method, ScoringTask
from app.zero_shot.evidence import ProjectedEvidence, TextEvidence
from app.zero_shot.explanation import Explanation, explain
from app.zero_shot.labels import LabelEmbedder
from app.zero_shot.projections import Example, NewProjection, ProjectionService, load_projection
from app.zero_shot.refusals import refuse_sensitive
from app.zero_shot.scoring_work import require_affordable_scoring

FACES = "faces"
"""The source of a projection from the face model."""


@dataclass(frozen=True, slots=True)
class ScoreInput:
    """The input of a scoring, in exactly one of the first four fields.

    `image` is an encoded image file; with `rotate`, one without a face is also examined turned by
    90, 180 and 270 degrees.
    """

    text: str | None = None
    word: str | None = None
    vector: tuple[float, ...] | None = None
    image: bytes | None = None
    rotate: bool = False


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """A classification, and the method, vocabulary and projection that produced it."""

    classification: Classification
    method: Method
    vocabulary: str
    projection: str | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class ExampleInput:
    """An example with its attributes: exactly one of the other fields is set."""

    attributes: tuple[str, ...]
    text: str | None = None
    vector: tuple[float, ...] | None = None
    image: bytes | None = None
    template_id: str | None = None


class ZeroShotService:
    """Scores labels in text spaces, directly or through projections from other spaces."""

    def __init__(self, database: Database, spaces: TextSpaces, pipeline: FacePipeline) -> None:
        self._database, self._spaces, self._pipeline = database, spaces, pipeline
        labels = LabelEmbedder()
        self.projections = ProjectionService(database, labels)
        self._classifier = Classifier(labels)

    def score(
        self,
        input_: ScoreInput,
        task: ScoringTask,
        vocabulary: str,
        projection: str | None,
        timings: Timings,
    ) -> ScoreResult:
        """Score the labels of `task` for the input; `projection` overrides `vocabulary`.

        Raises VocabularyNotFound, ProjectionNotFound, SpaceMismatch, WordNotFound for an unknown
        `word`, NoFace, RefusedLabel and InvalidRequest.
        """
        face = None
        if input_.image is not None:
            face = self._embed_subject(input_.image, timings, rotate=input_.rotate)
        if projection is not None:
            return self._score_projected(projection, input_, face, task, timings)
        if face is not None:
            raise InvalidRequest(
                "projection", "an image was sent; a projection from faces is required to score it"
            )
        if task.method == "eszsl":
            raise InvalidRequest("method", "method is eszsl; it requires a projection")
        space = self._spaces.open(vocabulary)
        require_affordable_scoring(space, [input_.text or ""], task)
        with timings.stage("score"):
            found = self._score_tokens(space, input_, task, vocabulary)
            explanation = None
            if task.explain and input_.text is not None:
                explanation = explain(self._classifier, space, input_.text, task, found)
        return ScoreResult(found, task.method, vocabulary, None, explanation)

    def classify_texts(
        self, texts: Sequence[str], task: ScoringTask, vocabulary: str, timings: Timings
    ) -> list[Classification]:
        """Classify each text. Raises VocabularyNotFound, InvalidRequest."""
        space = self._spaces.open(vocabulary)
        require_affordable_scoring(space, texts, task)
        with timings.stage("score"):
            return [self._classifier.classify_text(space, text, task) for text in texts]

    def fit_projection(
        self,
        new: NewProjection,
        collection: str,
        inputs: Sequence[ExampleInput],
        timings: Timings,
    ) -> StoredProjection:
        """Fit and store a projection; `collection` is the gallery of the examples' templates.

        Raises RefusedLabel for sensitive attributes of faces, ProjectionExists,
        VocabularyNotFound, CollectionNotFound, NoFace and InvalidRequest.
        """
        if new.source == FACES:
            refuse_sensitive(*(word for example in inputs for word in example.attributes))
            vectors = self._face_vectors(inputs, collection, timings)
            source = self._face_space
            target = self._spaces.open(new.vocabulary)
        else:
            text_space = self._spaces.open(new.source)
            vectors = [
                _text_vector(text_space, example.text, example.vector, f"examples.{number}")
                for number, example in enumerate(inputs)
            ]
            source = text_space.space
            same = new.vocabulary == new.source
            target = text_space if same else self._spaces.open(new.vocabulary)
        examples = [
            Example(vector, example.attributes)
            for vector, example in zip(vectors, inputs, strict=True)
        ]
        with timings.stage("learn"):
            return self.projections.fit(new, source, target, examples)

    @property
    def _face_space(self) -> EmbeddingSpace:
        return self._pipeline.embedder.space

    def _score_tokens(
        self, space: TextSpace, input_: ScoreInput, task: ScoringTask, vocabulary: str
    ) -> Classification:
        if input_.text is not None:
            return self._classifier.classify_text(space, input_.text, task)
        if input_.vector is not None:
            tokens = space.raw(input_.vector)
        else:
            word = input_.word or ""
            [tokens] = space.texts([word])
            if not len(tokens):
                raise WordNotFound(word, vocabulary, ())
        return self._classifier.classify(space, TextEvidence(tokens), task, tokens.unknown)

    def _score_projected(
        self,
        name: str,
        input_: ScoreInput,
        face: Vector | None,
        task: ScoringTask,
        timings: Timings,
    ) -> ScoreResult:
        if task.explain:
            raise InvalidRequest("explain", "explain is true; with a projection it must be false")
        if task.method == "cosine":
            raise InvalidRequest(
                "method", "method is cosine; with a projection, eszsl, conse or dap is required"
            )
        stored = self.projections.get(name)
        target = self._spaces.open(stored.vocabulary)
        require_affordable_scoring(target, [], task)
        if stored.details.source == FACES:
            labels = (*task.labels, *task.seen)
            refuse_sensitive(*(text for label in labels for text in _texts(label)))
            source, vector = (
                self._face_space,
                face if face is not None else self._input_face(input_),
            )
        else:
            same = stored.details.source == stored.vocabulary
            text_space = target if same else self._spaces.open(stored.details.source)
            text = input_.text or input_.word
            source, vector = text_space.space, _text_vector(text_space, text, input_.vector, "text")
        projection = load_projection(stored, source, target.space)
        if not task.seen:
            task = replace(task, seen=tuple(Label(word) for word in stored.details.seen))
        with timings.stage("score"):
            found = self._classifier.classify(target, ProjectedEvidence(projection, vector), task)
        return ScoreResult(found, task.method, stored.vocabulary, name)

    def _input_face(self, input_: ScoreInput) -> Vector:
        if input_.vector is None:
            raise InvalidRequest(
                "image", "the projection is from faces; image or the vector of a face is required"
            )
        return self._face_vector(input_.vector)

    def _embed_subject(self, image: bytes, timings: Timings, *, rotate: bool = False) -> Vector:
        """The unit vector of the most prominent face. Raises NoFace and the image errors."""
        face = self._pipeline.analyze(image, timings, rotate).subject()
        vector: Vector = self._pipeline.embed([face], timings)[0]
        return vector

    def _face_vector(self, values: Sequence[float]) -> Vector:
        return to_unit_vector(values, self._face_space.dimension, "the face model")

    def _face_vectors(
        self, inputs: Sequence[ExampleInput], collection: str, timings: Timings
    ) -> list[Vector]:
        template_ids = [one.template_id for one in inputs if one.template_id is not None]
        templates: dict[str, Vector] = {}
        if template_ids:
            with self._database.read() as session:
                gallery = get_collection(session, collection, GALLERY)
                gallery = gallery.require_space(self._face_space)
                templates = vectors_by_template_id(session, gallery, template_ids)
        vectors = []
        for number, example in enumerate(inputs):
            if example.image is not None:
                vectors.append(self._embed_subject(example.image, timings))
            elif example.vector is not None:
                vectors.append(self._face_vector(example.vector))
            elif example.template_id is None:
                raise InvalidRequest(
                    f"examples.{number}.text",
                    "text was sent; a projection from faces takes image, vector or template_id",
                )
            elif example.template_id in templates:
                vectors.append(templates[example.template_id])
            else:
                raise InvalidRequest(
                    f"examples.{number}.template_id",
                    f"the collection {collection!r} has no template {example.template_id!r}",
                )
        return vectors


def _text_vector(
    space: TextSpace, text: str | None, vector: tuple[float, ...] | None, field: str
) -> Vector:
    """The unit vector of a text or of a raw vector; `field` is named in errors."""
    if vector is not None:
        return space.raw(vector).mean()
    if text is None:
        raise InvalidRequest(field, f"{space.space.name} is a text space; send a text or a vector")
    [tokens] = space.texts([text])
    if not len(tokens):
        raise InvalidRequest(field, f"no word of {text[:40]!r} is in {space.space.name}")
    return tokens.mean()


def _texts(label: Label) -> tuple[str, ...]:
    return label.name, label.description, *label.keywords, *label.attributes
