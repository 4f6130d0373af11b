"""Inspects and changes what a service stores in its data folder."""

from pathlib import Path

import numpy as np
from fastapi.testclient import TestClient

from tests.conftest import services_of, upload


def files_with(folder: Path, needle: bytes) -> list[str]:
    """Names of the files below the folder whose bytes contain `needle`."""
    found = [p for p in folder.rglob("*") if p.is_file() and needle in p.read_bytes()]
    return sorted(p.name for p in found)


def template_bytes(client: TestClient, photo: bytes) -> bytes:
    """The photo's embedding as stored without encryption."""
    answer = client.post("/embed", files=upload(photo)).json()
    return np.array(answer["faces"][0]["embedding"], dtype="<f4").tobytes()


def run_housekeeping(client: TestClient) -> None:
    """One round of housekeeping."""
    services_of(client).housekeeper.run()


def write_snapshot(client: TestClient) -> None:
    """Apply the journal and close the index, as a shutdown does."""
    services_of(client).readiness.check()
    services_of(client).index_sync.close()


def snapshot_file(folder: Path) -> Path:
    """The index snapshot of the first collection."""
    return folder / "index" / "collection-1.faiss"
