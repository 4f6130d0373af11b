"""Adaptive symmetric score normalisation, mean only.

Some faces are similar to many strangers, others to few. The normalised score of a pair is
`s - weight * (m1 + m2) / 2`, where s is the cosine and m a face's impostor mean: its expected mean
similarity to the most similar strangers of a cohort (Matejka et al. 2017, "Analysis of score
normalization in multilingual speaker recognition"; Linghu et al. 2024). A small network that is
stored beside the embedder predicts m from the embedding, so no stranger's template is shipped.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.inference.manifest import Manifest, ScoreNormalisation, read_verified
from app.inference.session import OnnxSession, Session
from app.vectors import Matrix


class ScoreNormaliser(Protocol):
    """Computes how much each face takes off a comparison score."""

    def corrections(self, embeddings: Matrix) -> NDArray[np.float32]:
        """`weight * (m - average) / 2` of each face, shape (n,); zero for an average face."""
        ...


class NoNormalisation:
    """Leaves every score as it is."""

    def corrections(self, embeddings: Matrix) -> NDArray[np.float32]:
        """Zeros, shape (n,)."""
        return np.zeros(len(embeddings), dtype=np.float32)


class LearnedNormalisation:
    """Predicts impostor means with the network that travels with a model. Thread-safe."""

    def __init__(self, spec: ScoreNormalisation, session: Session) -> None:
        self._spec, self._session = spec, session

    def corrections(self, embeddings: Matrix) -> NDArray[np.float32]:
        """`weight * (m - average) / 2` of each face, shape (n,)."""
        if not len(embeddings):
            return np.zeros(0, dtype=np.float32)
        means = self._session.run(np.ascontiguousarray(embeddings))[0].reshape(-1)
        found: NDArray[np.float32] = self._spec.weight / 2 * (means - self._spec.average)
        return found.astype(np.float32)


def load_normaliser(folder: Path, manifest: Manifest) -> ScoreNormaliser:
    """The normaliser of the model in `folder`; one that does nothing where it has none.

    Raises ModelError where the network's file is missing or has another digest.
    """
    spec = manifest.normalisation
    if spec is None:
        return NoNormalisation()
    content = read_verified(folder / spec.file, spec.sha256)
    return LearnedNormalisation(spec, OnnxSession(content, ["CPUExecutionProvider"]))
