"""The composition root: settings -> services. The only place that picks engines."""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import cv2

from app.crypto.keyring import Keyring, read_keys
from app.errors import CollectionExists, InvalidSetting
from app.faces.decisions.thresholds import Thresholds
from app.faces.enrollment import DEFAULT_COLLECTION, Enroller
from app.faces.people import Galleries
from app.faces.pipeline.decode import ImageLimits
from app.faces.pipeline.detect import Detector
from app.faces.pipeline.embed import Embedder, load_embedder
from app.faces.pipeline.mtcnn import Mtcnn, MtcnnSettings
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.quality import QualityLimits
from app.faces.pipeline.yunet import YuNet
from app.faces.recognition import Recognizer
from app.inference.manifest import MANIFEST_NAME, Manifest, read_manifest
from app.inference.session import choose_providers
from app.settings import Settings
from app.store.collections import indexed_collections
from app.store.db.database import Database
from app.store.db.tables import SHADOW
from app.store.housekeeping import Housekeeper
from app.store.index_sync import IndexSync
from app.store.staging import delete_abandoned
from app.texts.embeddings import TextEmbedder
from app.texts.spaces import TextSpaceRegistry
from app.wiring.index_engines import open_engine
from app.words.editing import VocabularyEditor
from app.words.vocabularies import VocabularyService
from app.zero_shot.projections import Projections
from app.zero_shot.service import ZeroShot


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a request may need; made at start-up, closed at shutdown."""

    settings: Settings
    database: Database
    index_sync: IndexSync
    embedder: Embedder
    pipeline: FacePipeline
    recognizer: Recognizer
    enroller: Enroller
    galleries: Galleries
    vocabularies: VocabularyService
    editor: VocabularyEditor
    text_embedder: TextEmbedder
    zero_shot: ZeroShot
    housekeeper: Housekeeper

    def prepare(self) -> None:
        """Before the first request: the default gallery is there, the indexes are level."""
        delete_abandoned(self.database)
        with suppress(CollectionExists):
            self.galleries.create(DEFAULT_COLLECTION)
        with self.database.read() as session:
            known = indexed_collections(session)
        for collection in known:
            self.index_sync.discard_newer(self.database, collection)
        self.catch_up()

    def catch_up(self) -> dict[str, int]:
        """Bring every index level with the journal; entries by collection."""
        with self.database.read() as session:
            known = indexed_collections(session)
            for collection in known:
                self.index_sync.size(session, collection)
            return {c.name: c.size for c in known if c.kind != SHADOW}

    def close(self) -> None:
        """Keep index snapshots, give connections back."""
        self.index_sync.close()
        self.database.close()


def build_services(settings: Settings) -> Services:
    """Open the models and the store. Raises ModelError where a model is not what it claims."""
    database = open_database(settings)
    open_index, close_engine = open_engine(settings, database)
    index_sync = IndexSync(open_index, close_engine)
    pipeline = open_pipeline(settings)
    embedder = pipeline.embedder
    thresholds = Thresholds.of(embedder.manifest)
    spaces = TextSpaceRegistry(database)
    vocabularies = VocabularyService(database, index_sync)
    housekeeper = Housekeeper(database, index_sync, settings.housekeeping_seconds)
    keep_for = timedelta(days=settings.photo_days) if settings.store_photos else None
    return Services(
        settings=settings,
        database=database,
        index_sync=index_sync,
        embedder=embedder,
        pipeline=pipeline,
        recognizer=Recognizer(
            pipeline, thresholds, database, index_sync, settings.ambiguity_margin
        ),
        enroller=Enroller(
            pipeline, thresholds, database, index_sync, settings.duplicate_fpir, keep_for
        ),
        galleries=Galleries(database, index_sync, embedder.space, housekeeper.within),
        vocabularies=vocabularies,
        editor=VocabularyEditor(database, index_sync, settings.max_vocabulary_bytes),
        text_embedder=TextEmbedder(vocabularies, spaces),
        zero_shot=ZeroShot(database, spaces, Projections(database, spaces), embedder.space),
        housekeeper=housekeeper,
    )


def open_pipeline(settings: Settings) -> FacePipeline:
    """Detector and embedder, for work that needs no store."""
    cv2.setNumThreads(1)  # requests are concurrent already; threads within one would only wait
    embedder = load_embedder(
        settings.face_model_dir, choose_providers(settings.providers), settings.inference_threads
    )
    limits = ImageLimits(settings.max_image_bytes, settings.max_image_pixels, settings.preview_side)
    return FacePipeline(_detector(settings), embedder, limits, QualityLimits())


def open_database(settings: Settings) -> Database:
    """The store's database with its keys. Raises InvalidSetting for keys that are none."""
    written = settings.encryption_keys
    keys = read_keys(written.get_secret_value() if written else None, settings.encryption_key_file)
    if settings.store_photos and not keys:
        raise InvalidSetting(
            "SIMA_STORE_PHOTOS: photos are stored only encrypted; set SIMA_ENCRYPTION_KEYS"
        )
    return Database(settings.effective_database_url, Keyring(keys))


def open_store(settings: Settings) -> tuple[Database, IndexSync]:
    """Only the store, for work that needs no model."""
    database = open_database(settings)
    return database, IndexSync(*open_engine(settings, database))


def available_models(settings: Settings) -> list[Manifest]:
    """Every model in the models folder, by name, and the one in use wherever it lies."""
    folders = {path.parent for path in settings.models_dir.glob(f"*/{MANIFEST_NAME}")}
    folders.add(settings.face_model_dir)
    return sorted((read_manifest(folder) for folder in folders), key=lambda m: m.name)


def concurrency(settings: Settings) -> int:
    """How many requests compute at once."""
    return settings.concurrency or os.cpu_count() or 1


def _detector(settings: Settings) -> Detector:
    if settings.detector == "mtcnn":
        return Mtcnn(
            choose_providers(settings.providers),
            MtcnnSettings(min_face=settings.min_face),
            settings.inference_threads,
        )
    return YuNet(Path(settings.detector))
