"""Clients of a service that is killed: each repeats the request that got no response."""

import base64
import random
import time
from secrets import token_hex

import httpx2

from benchmarks.torture.acknowledged import Acknowledged

WORDS = 2_000
_BATCH = 3
_CANDIDATES = 100
_KEPT_UPLOADS, _PAUSE_SECONDS = 5, 0.2
_UNEXPECTED, _REFUSED = "unexpected", "refused with 503"


class KillClient:
    """Base class: sends changes to one start of the service after another."""

    def __init__(self, acknowledged: Acknowledged, photo: bytes, seed: int) -> None:
        self.acknowledged, self.photo = acknowledged, photo
        self.random = random.Random(seed)  # noqa: S311 - no secret

    def run(self, url: str) -> None:
        """Sends changes until the service is killed."""
        with httpx2.Client(base_url=url, timeout=120.0) as http:
            try:
                while True:
                    self.change(http)
            except httpx2.TransportError:
                return

    def change(self, http: httpx2.Client) -> None:
        """Sends one change, at first the one whose response was lost."""
        raise NotImplementedError

    def is_refused(self, answer: httpx2.Response, *expected: int) -> bool:
        """Whether the answer is not one of the expected; counts it."""
        if answer.status_code in expected:
            return False
        overloaded = answer.status_code == 503
        self.acknowledged.count(_REFUSED if overloaded else _UNEXPECTED)
        return True


class Enroller(KillClient):
    """Enrolls people. The idempotency key of an enrollment without response is sent again."""

    pending: str | None = None

    def change(self, http: httpx2.Client) -> None:
        self.pending = self.pending or self.acknowledged.send(f"e{token_hex(6)}")
        fields = {"name": self.pending, "on_duplicate": "allow"}
        headers = {"Idempotency-Key": self.pending}
        files = {"image": ("photo", self.photo, "image/jpeg")}
        answer = http.post("/enroll", files=files, data=fields, headers=headers)
        if not self.is_refused(answer, 201):
            self.acknowledged.enrolled(answer.json()["person_id"], self.pending)
            self.pending = None


class BatchEnroller(KillClient):
    """Enrolls several people with one request, which is not sent again."""

    def change(self, http: httpx2.Client) -> None:
        image = base64.b64encode(self.photo).decode()
        items = [
            {"name": self.acknowledged.send(f"b{token_hex(6)}"), "image": image}
            | {"on_duplicate": "allow"}
            for _ in range(_BATCH)
        ]
        answer = http.post("/enroll/batch", json={"items": items})
        if self.is_refused(answer, 200):
            return
        for result in answer.json()["results"]:
            if result["status"] == 201:
                enrolled = result["enrolled"]
                self.acknowledged.enrolled(enrolled["person_id"], enrolled["name"])
            else:
                self.acknowledged.count(_REFUSED if result["status"] == 503 else _UNEXPECTED)


class Deleter(KillClient):
    """Deletes people, and looks for each of them right after the response."""

    pending: str | None = None
    repeated = False

    def change(self, http: httpx2.Client) -> None:
        self.pending = self.pending or self.acknowledged.take(self.random)
        if self.pending is None:
            http.get("/health")  # ends with the service
            time.sleep(_PAUSE_SECONDS)
            return
        expected = (204, 404) if self.repeated else (204,)
        self.repeated = True
        answer = http.delete(f"/persons/{self.pending}")
        if self.is_refused(answer, *expected):
            return
        self.acknowledged.has_deleted(self.pending)
        person_id, self.pending, self.repeated = self.pending, None, False
        files = {"image": ("photo", self.photo, "image/jpeg")}
        found = http.post("/identify", files=files, data={"top_k": str(_CANDIDATES)})
        if self.is_refused(found, 200):
            return
        candidates = [one for face in found.json()["faces"] for one in face["candidates"]]
        self.acknowledged.count("ghosts", sum(one["person_id"] == person_id for one in candidates))


class VocabularyImporter(KillClient):
    """Uploads vocabularies and deletes some. An upload without response is sent again."""

    pending: str | None = None
    file = "".join(f"w{number} 1 {number} 0.5 2\n" for number in range(WORDS)).encode()

    def change(self, http: httpx2.Client) -> None:
        name = self.pending = self.pending or f"v{token_hex(6)}"
        answer = http.post(
            "/vocabularies", files={"file": ("words.txt", self.file)}, data={"name": name}
        )
        if self.is_refused(answer, 201, 409):  # 409: the upload before the kill was complete
            return
        self.pending = None
        with self.acknowledged.lock:
            self.acknowledged.counts["uploaded"] += 1
            self.acknowledged.uploads.add(name)
            delete = len(self.acknowledged.uploads) > _KEPT_UPLOADS
            if delete:  # the response to the deletion may be lost
                self.acknowledged.uploads.discard(name)
        if delete and not self.is_refused(http.delete(f"/vocabularies/{name}"), 204):
            with self.acknowledged.lock:
                self.acknowledged.deleted_uploads.add(name)
        time.sleep(_PAUSE_SECONDS)
