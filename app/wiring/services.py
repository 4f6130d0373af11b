"""Builds the services from the settings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import cv2

from app.cores import available_cores
from app.crypto.keyring import Keyring, read_keys
from app.errors import InvalidSetting
from app.events.sender import EventSender
from app.faces.comparison import Comparer
from app.faces.decisions.normalisation import load_normaliser
from app.faces.decisions.options import DecisionOptions
from app.faces.decisions.policies import DecisionPolicies
from app.faces.duplicates import DuplicateFinder
from app.faces.enrollment import DEFAULT_COLLECTION, Enroller
from app.faces.enrollment_checks import EnrollmentChecks, EnrollmentRates
from app.faces.face_index import FaceIndex
from app.faces.face_search import FaceSearcher
from app.faces.face_users import FaceUsers
from app.faces.gallery_calibration import GalleryCalibrator
from app.faces.gallery_decisions import GalleryDecisions
from app.faces.named_people import NamedPeople
from app.faces.people import Galleries
from app.faces.people_search import PeopleSearcher
from app.faces.pipeline.decode_budget import DecodeBudget
from app.faces.pipeline.detect import Detector
from app.faces.pipeline.embed import Embedder, load_embedder
from app.faces.pipeline.mtcnn import Mtcnn, MtcnnSettings
from app.faces.pipeline.pipeline import FacePipeline
from app.faces.pipeline.quality import QualityLimits
from app.faces.pipeline.quality_model import QualityModel
from app.faces.pipeline.yunet import YuNet
from app.faces.reassignment import Reassigner
from app.faces.recognition import Recognizer
from app.faces.rejections import Rejecter
from app.faces.stored_images import ImageStorage
from app.faces.visitors import VisitorService
from app.inference.batching import BatchLimits
from app.inference.manifest import Manifest, find_models, read_manifest
from app.inference.session import choose_providers
from app.settings import Settings
from app.store.audit_log import AuditLog
from app.store.audit_queue import AuditQueue
from app.store.db.database import Database
from app.store.gallery_files import GalleryFiles
from app.store.housekeeping import Housekeeper
from app.store.index_sync import IndexSync
from app.store.key_administration import KeyAdministrator
from app.store.readiness import Readiness
from app.texts.embeddings import TextEmbedder
from app.texts.spaces import TextSpaceRegistry
from app.wiring.events import open_outbox, open_sender
from app.wiring.image_formats import image_limits
from app.wiring.index_engines import open_engine
from app.words.editing import VocabularyEditor
from app.words.vocabularies import VocabularyService
from app.zero_shot.service import ZeroShotService


@dataclass(frozen=True, slots=True)
class Services:
    """The services of a process. Built at start-up, closed at shutdown."""

    settings: Settings
    database: Database
    index_sync: IndexSync
    embedder: Embedder
    pipeline: FacePipeline
    recognizer: Recognizer
    comparer: Comparer
    enroller: Enroller
    galleries: Galleries
    reassigner: Reassigner
    named_people: NamedPeople
    rejecter: Rejecter
    duplicates: DuplicateFinder
    visitors: VisitorService
    face_index: FaceIndex
    face_searcher: FaceSearcher
    face_users: FaceUsers
    gallery_calibrator: GalleryCalibrator
    vocabularies: VocabularyService
    editor: VocabularyEditor
    text_embedder: TextEmbedder
    zero_shot: ZeroShotService
    audit: AuditQueue
    audit_log: AuditLog
    api_keys: KeyAdministrator
    gallery_files: GalleryFiles
    event_sender: EventSender | None
    housekeeper: Housekeeper
    readiness: Readiness

    def close(self) -> None:
        """Writes index snapshots and waiting events, and closes the database connections."""
        if self.event_sender is not None:
            self.event_sender.close()
        self.audit.close()
        self.embedder.close()
        self.index_sync.close()
        self.database.close()


def build_services(settings: Settings) -> Services:
    """Opens the models and the store. Raises ModelError, InvalidSetting, NotReady."""
    database = open_database(settings)
    open_index, close_engine = open_engine(settings, database)
    index_sync = IndexSync(open_index, close_engine)
    pipeline = open_pipeline(settings)
    embedder = pipeline.embedder
    policies = DecisionPolicies(
        embedder.manifest,
        load_normaliser(settings.face_model_dir, embedder.manifest),
        DecisionOptions(settings.target_fmr, settings.target_fpir, settings.threshold),
    )
    spaces = TextSpaceRegistry(database)
    vocabularies = VocabularyService(database, index_sync)
    housekeeper = Housekeeper(
        database, index_sync, settings.housekeeping_seconds, _audit_lifetime(settings)
    )
    rates = EnrollmentRates(settings.duplicate_fpir, settings.mismatch_fmr)
    searcher = PeopleSearcher(index_sync)
    checks = EnrollmentChecks(policies, searcher, rates)
    storage = _image_storage(settings)
    return Services(
        settings=settings,
        database=database,
        index_sync=index_sync,
        embedder=embedder,
        pipeline=pipeline,
        recognizer=Recognizer(pipeline, policies, database, searcher, settings.ambiguity_margin),
        comparer=Comparer(pipeline, policies, database),
        enroller=Enroller(pipeline, database, checks, storage),
        galleries=Galleries(
            database,
            index_sync,
            embedder.space,
            GalleryDecisions(policies),
            housekeeper.purge_within,
        ),
        reassigner=Reassigner(database, checks, embedder.space, housekeeper.purge_within),
        named_people=NamedPeople(database, housekeeper.purge_within),
        rejecter=Rejecter(pipeline, database),
        duplicates=DuplicateFinder(
            database, searcher, policies, embedder.space, settings.duplicate_fpir
        ),
        visitors=VisitorService(database, searcher, policies, housekeeper.purge_within),
        face_index=FaceIndex(pipeline, database, housekeeper.purge_within, storage),
        face_searcher=FaceSearcher(pipeline, policies, database, searcher),
        face_users=FaceUsers(database, policies, embedder.space, housekeeper.purge_within),
        gallery_calibrator=GalleryCalibrator(database, policies),
        vocabularies=vocabularies,
        editor=VocabularyEditor(database, index_sync, settings.max_vocabulary_bytes),
        text_embedder=TextEmbedder(vocabularies, spaces),
        zero_shot=ZeroShotService(database, spaces, pipeline),
        audit=AuditQueue(database),
        audit_log=AuditLog(database),
        api_keys=KeyAdministrator(database),
        gallery_files=GalleryFiles(database, settings.data_dir / "signing.key"),
        event_sender=open_sender(settings, database),
        housekeeper=housekeeper,
        readiness=Readiness(database, index_sync, DEFAULT_COLLECTION, embedder.space),
    )


def open_pipeline(settings: Settings) -> FacePipeline:
    """Opens the detector, the embedder and the quality model. Raises ModelError."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # of corrupt PNGs
    cv2.setNumThreads(1)  # requests run concurrently, so threads within one request do not help
    providers, threads = choose_providers(settings.providers), settings.inference_threads
    batches = _batches(settings, providers)
    embedder = load_embedder(settings.face_model_dir, providers, threads, batches)
    quality_model = QualityModel(providers, intra_op_threads=threads)
    limits = image_limits(settings)
    budget = DecodeBudget(settings.max_decoded_bytes)
    return FacePipeline(
        _detector(settings), embedder, limits, QualityLimits(), quality_model, budget
    )


def open_database(settings: Settings) -> Database:
    """Opens the database with its encryption keys. Raises InvalidSetting."""
    secret = settings.encryption_keys
    keys = read_keys(secret.get_secret_value() if secret else None, settings.encryption_key_file)
    for kind, wanted in (("photos", settings.store_photos), ("crops", settings.store_crops)):
        if wanted and not keys:
            raise InvalidSetting(
                f"SIMA_STORE_{kind.upper()}: {kind} are stored only encrypted; set "
                "SIMA_ENCRYPTION_KEYS"
            )
    return Database(
        settings.effective_database_url,
        Keyring(keys),
        settings.busy_seconds,
        settings.audit,
        open_outbox(settings),
    )


def open_store(settings: Settings) -> tuple[Database, IndexSync]:
    """Opens the database and the indexes, without a model. Raises InvalidSetting, NotReady."""
    database = open_database(settings)
    return database, IndexSync(*open_engine(settings, database))


def available_models(settings: Settings) -> list[Manifest]:
    """Returns the models in the models folders and the active one, by name. Raises ModelError."""
    folders = {*find_models(settings.model_folders), settings.face_model_dir}
    return sorted((read_manifest(folder) for folder in folders), key=lambda m: m.name)


def concurrency(settings: Settings) -> int:
    """Returns the number of requests that process photos or read at the same time in a worker.

    By default all workers together have as many as the cores: more threads would only wait for each
    other.
    """
    return settings.concurrency or math.ceil(available_cores() / settings.workers)


def _batches(settings: Settings, providers: Sequence[str]) -> BatchLimits | None:
    """None if each request's crops are embedded apart."""
    crops = settings.batch_crops or (BatchLimits().largest if len(providers) > 1 else 1)
    return BatchLimits(crops, settings.batch_milliseconds / 1000) if crops > 1 else None


def _image_storage(settings: Settings) -> ImageStorage:
    return ImageStorage(
        photos=timedelta(days=settings.photo_days) if settings.store_photos else None,
        crops=timedelta(days=settings.crop_days) if settings.store_crops else None,
    )


def _audit_lifetime(settings: Settings) -> timedelta | None:
    return timedelta(days=settings.audit_days) if settings.audit_days else None


def _detector(settings: Settings) -> Detector:
    if settings.detector == "mtcnn":
        return Mtcnn(
            choose_providers(settings.providers),
            MtcnnSettings(min_face=settings.min_face),
            settings.inference_threads,
        )
    return YuNet(Path(settings.detector))
