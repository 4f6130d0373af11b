"""Settings, read from environment variables (`SIMA_…`) or a `.env` file."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from limits import parse
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from app.access_keys import AccessKey, AccessRole, RekognitionKey
from app.errors import InvalidSetting
from app.resources import INSTALLED, MODELS, default_data_dir
from app.validation import error_text

PROJECT = Path(__file__).resolve().parent.parent

Role = AccessRole

Public = Literal["docs", "metrics", "ready"]

KeyRole = Literal["read", "write"]
"""The roles of keys in `api_keys`; `write` is the role `admin`."""

CompatName = Literal["compreface", "deepstack", "rekognition"]
"""The APIs of other services, see `app.compat`."""

EventType = Literal["match", "unknown", "ambiguous", "enrolled", "deleted"]

_SECRETS = {
    "events_secret",
    "api_keys",
    "rekognition_keys",
    "encryption_keys",
    "index_token",
    "database_url",
    "index_url",
    "rate_limit_storage",
}
"""Settings whose values may contain credentials: never quoted in an error, nor in the `repr`."""

_INDEX_URL = r"^(faiss:(mapped)?|exact:|pgvector:.*|milvus:.*)$"

_RATE_LIMIT_STORAGE = r"^(database|memory|(redis|valkey)s?://.+)$"


class Settings(BaseSettings):
    """All settings, frozen. Relative paths are relative to the working directory.

    Raises InvalidSetting with one line for the first invalid value.
    """

    model_config = SettingsConfigDict(
        env_prefix="SIMA_", env_file=".env", extra="ignore", frozen=True
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    data_dir: Annotated[Path, Field(default_factory=default_data_dir)]
    """Folder of the database, the indexes and pulled models; unset: `data` in the working directory
    for a checkout, the user's data folder (`~/.local/share/sima`) for an installed package."""
    database_url: Annotated[str | None, Field(repr=False)] = None
    """SQLAlchemy URL; unset: an SQLite file in `data_dir`."""
    index_url: Annotated[str, Field(pattern=_INDEX_URL, repr=False)] = "faiss:"
    """`faiss:` in the process, `faiss:mapped` with memory-mapped vectors; `pgvector:` in the
    store's PostgreSQL or `pgvector:URL` in another; `milvus:` embedded in `data_dir` or
    `milvus:http://HOST:19530`; `exact:` for exhaustive search."""
    index_token: SecretStr | None = None
    """Credentials for Milvus: `user:password` or an API key."""

    models_dir: Path | None = None
    """Folder of face models; unset: the shipped models and, for an installed package, those that
    `sima models` wrote to `models` in `data_dir`."""
    face_model: str = "sima-face-15-int8"
    """The name of a model, or the path of its folder. The default is quantized for CPUs; for a GPU
    choose `sima-face-15`, which is another embedding space."""
    detector: str = "mtcnn"
    """`mtcnn`, or the path of a YuNet ONNX file."""
    providers: Literal["auto", "cpu", "cuda"] = "auto"
    inference_threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads per inference run; several runs execute concurrently."""
    batch_crops: Annotated[int | None, Field(ge=1, le=1024)] = None
    """Crops of concurrent requests that the network embeds together, mirror images counted; 1: each
    request's apart; unset: 32 with CUDA, 1 on the CPU."""
    batch_milliseconds: Annotated[float, Field(ge=0.0, le=1000.0)] = 5.0
    """How long a crop waits for those of other requests."""
    concurrency: Annotated[int | None, Field(ge=1, le=1024)] = None
    """Maximum number of requests of a worker that process photos or read; unset: the cores, divided
    by the number of workers and rounded up."""
    max_waiting: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Requests of a process that wait for a worker thread; further ones are 503 `overloaded`."""
    request_seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = 30.0
    """Deadline of a request, counted from the end of its body. A request that cannot be answered by
    then is 503 `overloaded`; the header X-Request-Timeout shortens the time for one request."""
    busy_seconds: Annotated[float, Field(gt=0.0, le=600.0)] = 5.0
    """A write waits this long for a worker thread, and as long for SQLite's lock; then it fails."""

    max_image_bytes: Annotated[int, Field(ge=1_000)] = 10_000_000
    max_image_pixels: Annotated[int, Field(ge=1_000)] = 40_000_000
    max_decoded_bytes: Annotated[int, Field(ge=1_000_000)] = 1_000_000_000
    """Memory for the decoded images of all requests of a process; further images wait for it. An
    image that takes more is decoded while no other is."""
    max_json_bytes: Annotated[int, Field(ge=10_000)] = 1_000_000
    """Maximum size of a JSON body, its images apart."""
    max_bodies_bytes: Annotated[int, Field(ge=1_000_000)] = 256_000_000
    """Memory for the bodies of all requests of a process, uploads of vocabularies apart; requests
    beyond it are 503 `overloaded`."""
    max_vocabulary_bytes: Annotated[int, Field(ge=1_000)] = 4_000_000_000
    """Maximum size of an uploaded vector file, as sent and decompressed."""
    preview_side: Annotated[int, Field(ge=128)] = 1024
    """Faces are detected in the image reduced to this longer side, in pixels."""
    min_face: Annotated[int, Field(ge=12)] = 40
    """Side of the smallest detected face, in pixels of the reduced image."""
    ambiguity_margin: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    """An identification is ambiguous if a second match is less than this similarity behind."""
    target_fmr: Annotated[float, Field(gt=0.0, le=0.5)] = 0.001
    """False match rate of 1:1 comparisons where neither request nor collection sets one."""
    target_fpir: Annotated[float, Field(gt=0.0, le=0.5)] = 0.01
    """False positive identification rate where neither request nor collection sets one."""
    threshold: Annotated[float | None, Field(ge=-1.0, le=1.0)] = None
    """Cosine that every pair must reach; replaces both target rates and score normalisation."""
    duplicate_fpir: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01
    """False positive identification rate of the duplicate check in enrollment: the share of new
    people who are refused because they resemble somebody in the gallery. A higher rate notices more
    people who are enrolled a second time."""
    mismatch_fmr: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01
    """False match rate of the comparison of a photo with the known person that it is added to: the
    share of other people's photos that are accepted. A lower rate refuses more genuine photos."""

    encryption_keys: SecretStr | None = None
    """32 random bytes in base64 (`sima keys new`), several separated by commas, newest first.
    The first encrypts templates, metadata, images and index snapshots of people."""
    encryption_key_file: Path | None = None
    """A file with one encryption key per line, instead of `encryption_keys`."""
    store_photos: bool = False
    """Store the photos of enrollments, encrypted; requires an encryption key."""
    photo_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """Days after which a stored photo is deleted."""
    store_crops: bool = False
    """Store the crops of enrolled faces, which the console shows; requires an encryption key."""
    crop_days: Annotated[int, Field(ge=1, le=3650)] = 365
    """Days after which a stored crop is deleted."""
    housekeeping_seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = 300.0
    """Interval in which expired images are deleted and deleted data is purged from index snapshots
    and logs."""

    audit: bool = True
    """Record in the audit log who changed, exported or recognised whom."""
    audit_days: Annotated[int, Field(ge=0, le=36500)] = 365
    """Days after which housekeeping deletes events from the audit log; 0: never."""

    events_url: str | None = None
    """Receiver of events about decisions and people, http or https; requires `events_secret`."""
    events_secret: SecretStr | None = None
    """Key of the events' signatures: 24 or more random bytes in base64."""
    events_types: tuple[EventType, ...] = ("match", "unknown", "ambiguous", "enrolled", "deleted")
    """Events to send, as JSON."""
    events_collections: tuple[str, ...] = ()
    """Collections whose events are sent, as JSON; empty: all."""
    events_seconds: Annotated[float, Field(gt=0.0, le=60.0)] = 10.0
    """An event that the receiver does not accept in this time is sent again."""
    events_waiting: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """Events that may wait for the receiver; further ones are dropped."""

    api_keys: Annotated[dict[str, KeyRole], Field(repr=False)] = {}
    """API key -> role, as JSON. Empty: every caller may read and write."""
    oidc_issuer: str | None = None
    """Issuer of accepted bearer tokens (JWT, OpenID Connect); requires the extra `oidc` and the
    following settings."""
    oidc_audience: str | None = None
    """The audience that a token must be issued for."""
    oidc_jwks_url: str | None = None
    """URL of the issuer's public keys, fetched when a token arrives and then every five minutes."""
    oidc_role_claim: str = "roles"
    """The claim that names roles: a string or a list, or a path such as `realm_access.roles`."""
    oidc_roles: dict[str, Role] = {}
    """Value of the claim -> role, as JSON: `{"face-admins": "admin", "doors": "read"}`."""
    public: tuple[Public, ...] = ("docs",)
    """What callers without a key get from a service with keys, as JSON, besides `/health`, the
    status of `/ready`, `/version` and `/models`: `docs` (`/docs`, `/redoc`, `/openapi.json`),
    `metrics`, `ready` (its details)."""
    open: bool = False
    """Listen on an address that other machines reach although there are no API keys."""
    console: bool = True
    """Serve the console, the service's web page, at `/console/`; `/` leads to it."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names, as JSON, by which clients address a service without keys, besides loopback."""
    cors_origins: tuple[str, ...] = ()
    """Origins, as JSON, of web pages that may use the service: `["https://console.example"]`."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks, as JSON, of reverse proxies: `["127.0.0.1", "10.0.0.0/8"]`. Only in
    requests from these the header X-Forwarded-For is read."""
    root_path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._~-]+)*$")] = ""
    """Path under which a reverse proxy offers the service and which it removes: `/faces`."""
    client_seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = 30.0
    """A connection is closed if its client takes no bytes of a waiting response for so long. A
    request is 408 if its headers or its body keep the service waiting for longer, plus a second per
    10,000 bytes that have arrived."""
    compat: Annotated[tuple[CompatName, ...], NoDecode] = ()
    """APIs of other services to offer, separated by commas: `compreface`, `deepstack`,
    `rekognition`."""
    rekognition_keys: Annotated[dict[AccessKey, RekognitionKey], Field(repr=False)] = {}
    """Access keys of Rekognition's API, as JSON: `{"KEYID": {"secret": "...", "role": "enroll",
    "collections": ["lobby"]}}`. The secret has at least 16 characters; `role` is `read` by default,
    and `collections` restricts the key."""
    rate_limit: str | None = None
    """Limit per API key, per client address without keys, such as `100/minute`; unset: none."""
    rate_limit_address: str | None = None
    """Limit per client address, whatever the key; of IPv6, per network of 64 bits; unset: none."""
    rate_limit_failures: str | None = "100/minute"
    """Requests with a missing or unknown API key per client address; empty: no limit."""
    rate_limit_storage: Annotated[str, Field(pattern=_RATE_LIMIT_STORAGE, repr=False)] = "database"
    """Where requests are counted for all workers: `database`, a `redis://` or `valkey://` URL, or
    `memory` for each process by itself."""
    default_vocabulary: str = "glove-6b-50d"
    """`sima serve` imports it if it is missing; empty: none."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __init__(self, **values: Any) -> None:
        # The original exceptions are suppressed because they quote values, which may be secrets.
        try:
            super().__init__(**values)
        except ValidationError as error:
            text = _describe(error)
        except SettingsError as error:
            text = _describe_source(error)
        else:
            return
        raise InvalidSetting(text)

    @field_validator("rate_limit", "rate_limit_address", "rate_limit_failures")
    @classmethod
    def _check_rate_limit(cls, value: str | None) -> str | None:
        try:
            if value:
                parse(value)
        except ValueError:
            raise ValueError(
                "the rate limit is invalid; use a form such as 100/minute or 5/second"
            ) from None
        return value

    @field_validator("compat", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        """The variable has names separated by commas."""
        if not isinstance(value, str):
            return value
        return tuple(name.strip() for name in value.split(",") if name.strip())

    @field_validator("trusted_proxies")
    @classmethod
    def _check_trusted_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError(
                    f"{proxy!r} is neither an IP address nor a network; use a form such as "
                    '["127.0.0.1", "10.0.0.0/8"]'
                ) from None
        return value

    @property
    def effective_database_url(self) -> str:
        """`database_url`, or the URL of the SQLite file in `data_dir`."""
        return self.database_url or f"sqlite:///{self.data_dir / 'sima.db'}"

    @property
    def face_model_dir(self) -> Path:
        """The folder of the face embedder, which contains its manifest."""
        named = (folder / self.face_model for folder in self.model_folders)
        return next((path for path in named if path.is_dir()), Path(self.face_model))

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """The folders of face models by precedence; `sima models` writes to the first."""
        if self.models_dir is not None:
            return (self.models_dir,)
        return (self.data_dir / "models", MODELS) if INSTALLED else (MODELS,)

    def secret_key_roles(self) -> list[tuple[SecretStr, KeyRole]]:
        """The API keys with their roles; the wrapper keeps keys out of logs and messages."""
        return [(SecretStr(key), role) for key, role in self.api_keys.items()]


def _describe(error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0])  # deeper parts may be API keys
    text = error_text(first, secret=name in _SECRETS)
    if name == "index_url" and first["type"] == "string_pattern_mismatch":
        text = (
            "the index URL is not supported; use faiss:, faiss:mapped, pgvector:, milvus: or exact:"
        )
    if name == "rate_limit_storage" and first["type"] == "string_pattern_mismatch":
        text = "the storage is not supported; use database, memory, or redis://HOST:6379/0"
    return f"SIMA_{name.upper()}: {text}"


def _describe_source(error: SettingsError) -> str:
    found = re.search(r'field "(\w+)"', str(error))
    name = f"SIMA_{found[1].upper()}" if found else "a SIMA_ variable"
    example = (
        '{"KEYID": {"secret": "SECRET"}}' if "rekognition" in name.lower() else '{"KEY": "read"}'
    )
    return f"{name}: the value is not valid JSON; use an object such as {example}"
