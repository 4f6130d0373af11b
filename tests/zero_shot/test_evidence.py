"""Tests the evidence of a projected vector."""

import numpy as np
import pytest

from app.zero_shot.evidence import ProjectedEvidence
from app.zero_shot.fitting import fit_projection
from app.zero_shot.labels import EmbeddedLabels
from app.zero_shot.matching import stack, standardise
from tests.zero_shot.examples import class_world, tokens


def test_projected_evidence_is_in_standard_deviations() -> None:
    world = class_world()
    names = [[str(c)] for c in world.classes]
    classes = [str(c) for c in range(14)]
    fitted = fit_projection(world.inputs, names, classes, world.semantics, (1.0, 1.0))
    rows = [tokens(row.tolist()) for row in world.semantics]
    vectors = stack(standardise(rows, [tokens([1.0] * 8)], None))
    labels = EmbeddedLabels(vectors, np.arange(14), ((),) * 14)
    found = [ProjectedEvidence(fitted.projection, row).scores(labels) for row in world.inputs]
    scores = np.stack(found)
    assert scores.std(axis=0) == pytest.approx(np.ones(14), abs=1e-3)
    assert (scores.argmax(axis=1) == world.classes).mean() > 0.95
