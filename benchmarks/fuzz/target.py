"""The service under test: with API keys of every role, encrypted, with people and words."""

import base64
import io
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from PIL import Image
from pydantic import SecretStr

from app.commands.setup import prepare_data
from app.settings import Settings
from app.store.api_keys import KeyRights, create_key
from app.wiring.services import open_database
from benchmarks.fuzz.values import Known
from harness.photos import find_portraits
from harness.servers import Server

COLLECTIONS, VOCABULARY, PROJECTION = ("default", "lobby"), "words", "looks"
_IDS = re.compile(rb'"(person_id|template_id|image_id|FaceId)":\s*"([0-9a-f-]{8,64})"')
_WORDS = b"orange 1 0 0.5\nking 0 1 0.2\nqueen 0.1 1 0\nriver -1 0.3 1\ndoctor 0.2 0.4 -1\n"
_START_SECONDS = 300.0
_RIGHTS = {
    "admin": KeyRights("admin"),
    "enroll": KeyRights("enroll", embeddings=True),
    "read": KeyRights("read"),
    "restricted": KeyRights("enroll", collections=("lobby",), vocabularies=("none",)),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A running service, its log, and its API keys by the name of the caller.

    The keys are the secrets of Rekognition's API, too, whose access keys are named as the callers.
    """

    server: Server
    log: Path
    keys: Mapping[str, str]
    compat: tuple[str, ...]

    def client(self) -> httpx2.Client:
        """A client with the key of an administrator."""
        headers = {"X-API-Key": self.keys["admin"]} if self.keys["admin"] else {}
        return httpx2.Client(base_url=self.server.url, headers=headers, timeout=120.0)

    def restore(self, known: Known) -> None:
        """Creates the people and words that requests have deleted. Raises HTTPStatusError."""
        with self.client() as client:
            for name in COLLECTIONS:
                self._create(client, "/collections", {"name": name}, "collection", known)
                known.add("CollectionId", name)
                known.add("UserId", f"staff-{name}")
                for fields in ({}, {"external_id": f"staff-{name}"}):
                    answer = client.post(
                        "/enroll",
                        files={"image": _photo()},
                        data={"name": "Ada", "collection": name, "on_duplicate": "allow", **fields},
                    )
                    if answer.status_code != 409:  # the external id is in use
                        learn(known, answer.raise_for_status().content)
            form = {"name": VOCABULARY}
            words = client.post("/vocabularies", files={"file": _WORDS}, data=form)
            _expect(words)
            known.add("vocabulary", VOCABULARY)
            examples = [
                {"vector": vector, "attributes": ["orange" if vector[0] else "king"]}
                for vector in ([1, 0, 0.5], [0.9, 0, 0.4], [0, 1, 0.2], [0, 0.8, 0.3])
            ]
            names = {"name": PROJECTION, "source": VOCABULARY, "vocabulary": VOCABULARY}
            body = {**names, "examples": examples}
            self._create(client, "/zero-shot/projections", body, "projection", known)

    def check(self) -> str | None:
        """Why the service does not work after all requests, or None."""
        with self.client() as client:
            for path in ("/health", "/ready", "/metrics", "/persons", "/collections"):
                answer = client.get(path)
                if answer.status_code != 200:
                    return f"{path} answers {answer.status_code}: {answer.text[:300]}"
            answer = client.post("/identify", files={"image": _photo()})
        if answer.status_code != 200 or not answer.json()["faces"]:
            return f"/identify answers {answer.status_code}: {answer.text[:300]}"
        return None

    def _create(
        self, client: httpx2.Client, path: str, body: Mapping[str, object], kind: str, known: Known
    ) -> None:
        _expect(client.post(path, json=body))
        known.add(kind, str(body["name"]))


def learn(known: Known, body: bytes) -> None:
    """Adds the ids in a response."""
    for kind, value in _IDS.findall(body[:20_000]):
        known.add(kind.decode(), value.decode())


@contextmanager
def started(
    folder: Path, url: str, compat: str, workers: int, *, with_keys: bool
) -> Iterator[Target]:
    """Starts the service on an empty folder; `url` is that of the database.

    Without keys, everybody is an administrator.
    """
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    settings = Settings(
        _env_file=None, data_dir=folder / "data", database_url=url, encryption_keys=SecretStr(key)
    )
    prepare_data(settings)
    keys = _create_keys(settings) if with_keys else {"admin": "", "unknown": "sima_unknown"}
    environment = {
        "SIMA_DATABASE_URL": url,
        "SIMA_ENCRYPTION_KEYS": key,
        "SIMA_STORE_PHOTOS": "true",
        "SIMA_RATE_LIMIT_FAILURES": "",
        "SIMA_REQUEST_SECONDS": "60",
        "SIMA_HOUSEKEEPING_SECONDS": "10",  # deleted people are purged meanwhile
        "SIMA_COMPAT": compat,
    }
    if with_keys:
        environment["SIMA_REKOGNITION_KEYS"] = json.dumps(_access_keys(keys))
    log = folder / "sima.log"
    arguments = ("--workers", str(workers))
    names = tuple(name for name in compat.split(",") if name)
    server = Server(folder / "data", *arguments, log=log, **environment)
    try:
        yield Target(server.wait_until_ready(_START_SECONDS), log, keys, names)
    finally:
        server.kill()


def _create_keys(settings: Settings) -> dict[str, str]:
    database = open_database(settings)
    try:
        with database.write() as session:
            made = {
                name: create_key(session, name, rights)[1].text for name, rights in _RIGHTS.items()
            }
    finally:
        database.close()
    return {**made, "nobody": "", "unknown": made["read"][:-4] + "AAAA"}


def _access_keys(keys: Mapping[str, str]) -> dict[str, dict[str, object]]:
    return {
        name: {
            "secret": keys[name],
            "role": rights.role,
            "collections": rights.collections and list(rights.collections),
        }
        for name, rights in _RIGHTS.items()
    }


def _expect(answer: httpx2.Response) -> None:
    if answer.status_code != 409:  # it exists
        answer.raise_for_status()


def _photo() -> bytes:
    photo = Image.open(io.BytesIO(find_portraits()["obama"])).convert("RGB")
    photo.thumbnail((200, 200))
    stream = io.BytesIO()
    photo.save(stream, "JPEG", quality=92)
    return stream.getvalue()
