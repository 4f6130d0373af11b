"""Zero-shot as the rest of the service asks for it: questions in, verdicts out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.errors import InvalidRequest, WordNotFound
from app.store.collections import get_collection
from app.store.db.database import Database
from app.store.db.tables import GALLERY
from app.store.projections import StoredProjection
from app.store.templates import vectors_by_template_id
from app.texts.space import Label, TextSpace, TextSpaces
from app.vectors import EmbeddingSpace, Vector, l2_normalize
from app.zero_shot.classifier import Classifier, Method, Order, Verdict
from app.zero_shot.evidence import BagEvidence, ProjectedEvidence
from app.zero_shot.projections import Example, Projections
from app.zero_shot.refusals import refuse_harmful

FACES = "faces"
"""What a projection's source is called where it is the face embedder."""


@dataclass(frozen=True, slots=True)
class Question:
    """Exactly one of them is there; `face` is a unit vector of the face embedder."""

    text: str | None = None
    word: str | None = None
    vector: tuple[float, ...] | None = None
    face: Vector | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, and by what it was reached."""

    verdict: Verdict
    method: Method
    vocabulary: str
    projection: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An example as it was sent: exactly one of the first four, and what holds for it."""

    attributes: tuple[str, ...]
    text: str | None = None
    vector: tuple[float, ...] | None = None
    face: Vector | None = None
    template_id: str | None = None


class ZeroShot:
    """Knows the spaces and the projections between them, and nothing of photos."""

    def __init__(
        self,
        database: Database,
        spaces: TextSpaces,
        projections: Projections,
        faces: EmbeddingSpace,
    ) -> None:
        self._database, self._spaces, self._faces = database, spaces, faces
        self.projections = projections
        self._classifier = Classifier()

    def score(
        self, question: Question, order: Order, vocabulary: str, projection: str | None
    ) -> Answer:
        """Labels against the question. `vocabulary` counts where there is no projection."""
        if projection is not None:
            return self._through(projection, question, order)
        if question.face is not None:
            raise InvalidRequest("projection", "faces and words share no space: name a projection")
        if order.method == "eszsl":
            raise InvalidRequest("method", "eszsl needs a projection, learned from examples")
        space = self._spaces.open(vocabulary)
        if question.text is not None:
            found = self._classifier.score_text(space, question.text, order)
        else:
            evidence, unknown = self._bag_of(space, question, vocabulary)
            found = self._classifier.score(space, evidence, order, unknown)
        return Answer(found, order.method, vocabulary)

    def learn(
        self,
        name: str,
        source: str,
        vocabulary: str,
        collection: str,
        shown: Sequence[Shown],
        regularisers: tuple[float, float] | None,
    ) -> StoredProjection:
        """A projection from examples; of faces nothing harmful is learned (`refuse_harmful`)."""
        if source == FACES:
            refuse_harmful(*(word for one in shown for word in one.attributes))
            vectors = self._face_vectors(shown, collection)
            space = self._faces
        else:
            text_space = self._spaces.open(source)
            vectors = [_vector_in(text_space, one, "examples") for one in shown]
            space = text_space.space
        examples = [
            Example(vector, one.attributes) for vector, one in zip(vectors, shown, strict=True)
        ]
        return self.projections.learn(name, source, space, vocabulary, examples, regularisers)

    def _bag_of(
        self, space: TextSpace, question: Question, vocabulary: str
    ) -> tuple[BagEvidence, tuple[str, ...]]:
        if question.word is None:
            return BagEvidence(space.raw(np.array(question.vector, dtype=np.float32))), ()
        bag = space.texts([question.word])[0]
        if not len(bag.tokens):
            raise WordNotFound(question.word, vocabulary, ())
        return BagEvidence(bag), bag.unknown

    def _through(self, name: str, question: Question, order: Order) -> Answer:
        stored = self.projections.get(name)
        if order.explain:
            raise InvalidRequest("explain", "only what is said of a text can be explained")
        if order.method == "cosine":
            raise InvalidRequest("method", "with a projection it is eszsl, conse or dap")
        if stored.details.source == FACES:
            refuse_harmful(*(text for one in (*order.labels, *order.seen) for text in _said(one)))
            space, vector = self._faces, self._face_of(question)
        else:
            text_space = self._spaces.open(stored.details.source)
            shown = Shown((), text=question.text or question.word, vector=question.vector)
            space, vector = text_space.space, _vector_in(text_space, shown, "text")
        _, projection = self.projections.usable(name, space)
        if not order.seen:
            order = replace(order, seen=tuple(Label(word) for word in stored.details.seen))
        evidence = ProjectedEvidence(projection, vector)
        verdict = self._classifier.score(self._spaces.open(stored.vocabulary), evidence, order)
        return Answer(verdict, order.method, stored.vocabulary, name)

    def _face_of(self, question: Question) -> Vector:
        if question.face is not None:
            return question.face
        if question.vector is None:
            raise InvalidRequest("image", "this projection takes an image or a face's vector")
        return self._face_vector(question.vector)

    def _face_vector(self, values: Sequence[float]) -> Vector:
        vector = np.array(values, dtype=np.float32)
        if vector.shape != (self._faces.dimension,):
            raise InvalidRequest("vector", f"faces have {self._faces.dimension} dimensions")
        return l2_normalize(vector)

    def _face_vectors(self, shown: Sequence[Shown], collection: str) -> list[Vector]:
        wanted = [one.template_id for one in shown if one.template_id is not None]
        known: dict[str, Vector] = {}
        if wanted:
            with self._database.read() as session:
                gallery = get_collection(session, collection, GALLERY).require_space(self._faces)
                known = vectors_by_template_id(session, gallery, wanted)
        found = []
        for number, one in enumerate(shown):
            if one.face is not None:
                found.append(one.face)
            elif one.vector is not None:
                found.append(self._face_vector(one.vector))
            elif one.template_id in known:
                found.append(known[one.template_id])
            else:
                where = f"examples.{number}"
                raise InvalidRequest(where, "a photo, a vector, or a template of the collection")
        return found


def _vector_in(space: TextSpace, shown: Shown, where: str) -> Vector:
    if shown.vector is not None:
        return space.raw(np.array(shown.vector, dtype=np.float32)).mean()
    if shown.text is None:
        raise InvalidRequest(where, f"{space.space.name} takes texts and vectors")
    bag = space.texts([shown.text])[0]
    if not len(bag.tokens):
        raise InvalidRequest(where, f"no word of {shown.text[:40]!r} is known")
    return bag.mean()


def _said(label: Label) -> tuple[str, ...]:
    return label.name, label.description, *label.keywords, *label.attributes
