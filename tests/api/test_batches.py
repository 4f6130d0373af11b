"""With SIMA_BATCH_CROPS the faces of concurrent requests are embedded together."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from app.inference.session import OnnxSession, Pixels, Tensor, Tokens
from tests.conftest import MakeClient, upload

Photos = dict[str, bytes]
NAMES = ("obama", "coffee", "obama2", "biden", "astronaut", "coffee") * 3
CROP_SIZE = 112


def embeddings(client: TestClient, photos: Photos) -> list[list[list[float]]]:
    """The embeddings of the faces of each photo of NAMES; all are sent at the same time."""

    def ask(name: str) -> list[list[float]]:
        answer = client.post("/embed", files=upload(photos[name]))
        assert answer.status_code == 200, answer.text
        return [face["embedding"] for face in answer.json()["faces"]]

    with ThreadPoolExecutor(len(NAMES)) as pool:
        return list(pool.map(ask, NAMES))


def test_concurrent_requests_are_embedded_together(
    make_client: MakeClient, photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = embeddings(make_client(default_vocabulary=""), photos)
    sizes: list[int] = []
    run = OnnxSession.run

    def record(self: OnnxSession, batch: Tensor | Pixels | Tokens) -> list[Tensor]:
        if batch.shape[1:] == (3, CROP_SIZE, CROP_SIZE):
            sizes.append(len(batch))
        return run(self, batch)

    monkeypatch.setattr(OnnxSession, "run", record)
    client = make_client(
        default_vocabulary="", concurrency=8, batch_crops=12, batch_milliseconds=100
    )
    together = embeddings(client, photos)
    for ours, theirs in zip(together, alone, strict=True):
        assert ours == [pytest.approx(one, abs=1e-4) for one in theirs]
    assert 2 < max(sizes) <= 12, "a face and its mirror image are 2"


def test_a_service_with_batches_stops_and_starts_again(
    make_client: MakeClient, photos: Photos
) -> None:
    for _ in range(2):
        client = make_client(default_vocabulary="", batch_crops=8)
        assert client.post("/detect", files=upload(photos["obama"])).status_code == 200
