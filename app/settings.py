"""Everything that can be set, read once from the environment (`SIMA_…`) or a `.env` file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT = Path(__file__).resolve().parent.parent

Role = Literal["read", "write"]


class Settings(BaseSettings):
    """Frozen; handed to `create_app`. Paths may be relative to the working folder."""

    model_config = SettingsConfigDict(
        env_prefix="SIMA_", env_file=".env", extra="ignore", frozen=True
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    data_dir: Path = Path("data")
    database_url: str | None = None
    """SQLAlchemy URL; an SQLite file in `data_dir` when unset."""
    index_url: Annotated[
        str, Field(pattern=r"^(faiss:(mapped)?|exact:|pgvector:.*|milvus:.*)$")
    ] = "faiss:"
    """`faiss:` in the process, `faiss:mapped` with its vectors in files; `pgvector:` in the store's
    PostgreSQL, or `pgvector:URL` in another; `milvus:` embedded in `data_dir`, or
    `milvus:http://HOST:19530`; `exact:` to check others."""
    index_token: SecretStr | None = None
    """For Milvus, where it asks for one: `user:password` or an API key."""

    models_dir: Path = PROJECT / "models"
    face_model: str = "sima-face-2"
    detector: str = "mtcnn"
    """`mtcnn`, or the path of a YuNet ONNX file."""
    providers: Literal["auto", "cpu", "cuda"] = "auto"
    inference_threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads within one run of a network; runs themselves are concurrent."""
    concurrency: Annotated[int | None, Field(ge=1, le=1024)] = None
    """Requests that compute at once; the number of cores when unset."""

    max_image_bytes: Annotated[int, Field(ge=1_000)] = 10_000_000
    max_image_pixels: Annotated[int, Field(ge=1_000)] = 40_000_000
    max_vocabulary_bytes: Annotated[int, Field(ge=1_000)] = 4_000_000_000
    """Of an uploaded vector file, as sent and as unpacked."""
    preview_side: Annotated[int, Field(ge=128)] = 1024
    """Detection looks at the photo reduced to this longer side, in pixels."""
    min_face: Annotated[int, Field(ge=12)] = 40
    """Smallest face that detection looks for, in pixels of that reduced photo."""
    ambiguity_margin: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    duplicate_fpir: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01

    encryption_keys: SecretStr | None = None
    """32 random bytes in base64 (`sima keys new`), several with commas, newest first: templates,
    metadata, photos and index snapshots of people are sealed with the first."""
    encryption_key_file: Path | None = None
    """Or a file with one key a line."""
    store_photos: bool = False
    """Keep the photos of enrollments, sealed; needs a key."""
    photo_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How long a photo is kept."""
    housekeeping_seconds: Annotated[float, Field(gt=0.0, le=3600.0)] = 300.0
    """How often expired photos go, and what was deleted leaves snapshots and logs."""

    api_keys: dict[str, Role] = {}
    """Key -> role. Empty: everybody who reaches the port may do everything."""
    rate_limit: str | None = None
    """Per key or client address, e.g. `100/minute`; none when unset."""
    default_vocabulary: str = "glove-6b-50d"
    """Imported by `sima serve` when it is not there yet; empty for none."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def effective_database_url(self) -> str:
        """`database_url`, or the embedded default."""
        return self.database_url or f"sqlite:///{self.data_dir / 'sima.db'}"

    @property
    def face_model_dir(self) -> Path:
        """The folder with the manifest of the face embedder: a name in `models_dir`, or a path."""
        named = self.models_dir / self.face_model
        return named if named.is_dir() else Path(self.face_model)

    def secret_key_roles(self) -> list[tuple[SecretStr, Role]]:
        """The API keys, wrapped so that none is printed by accident."""
        return [(SecretStr(key), role) for key, role in self.api_keys.items()]
