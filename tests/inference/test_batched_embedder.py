"""The shipped embedder returns the same vectors with batching as without it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.faces.pipeline.embed import OnnxEmbedder
from app.inference.batching import BatchingSession
from app.inference.manifest import read_manifest, read_verified
from app.inference.session import OnnxSession
from tests.models import SHIPPED

CLIENTS, TOLERANCE = 8, 1e-5


def test_vectors_equal_those_without_batching() -> None:
    manifest = read_manifest(SHIPPED)
    weights = read_verified(SHIPPED / manifest.file, manifest.sha256)
    session = OnnxSession(weights, ["CPUExecutionProvider"])
    batching = BatchingSession(session)
    alone, together = OnnxEmbedder(manifest, session), OnnxEmbedder(manifest, batching)
    size = manifest.input.size
    pixels = np.random.default_rng(7).integers(0, 256, (CLIENTS, size, size, 3), dtype=np.uint8)
    with ThreadPoolExecutor(CLIENTS) as clients:
        vectors = list(clients.map(lambda crop: together.embed([crop])[0], pixels))
    batching.close()
    expected = [alone.embed([crop])[0] for crop in pixels]
    np.testing.assert_allclose(vectors, expected, atol=TOLERANCE)
