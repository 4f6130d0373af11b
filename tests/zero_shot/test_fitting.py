"""Tests fitting projections: unseen classes, the suggested penalty and invalid examples."""

from dataclasses import dataclass

import numpy as np
import pytest

from app.errors import InvalidRequest
from app.vectors import l2_normalize
from app.zero_shot.fitting import FittedProjection, fit_projection
from tests.zero_shot.examples import ClassWorld, class_world


def fit(world: ClassWorld, seen: int) -> FittedProjection:
    """A projection from the inputs of the first `seen` classes."""
    examples = world.classes < seen
    names = [str(c) for c in range(seen)]
    classes = [[str(c)] for c in world.classes[examples]]
    return fit_projection(world.inputs[examples], classes, names, world.semantics[:seen], None)


@dataclass(frozen=True, slots=True)
class Accuracies:
    """Top-1 accuracies among all classes, for inputs of unseen and of seen classes."""

    unseen: float
    seen: float


def accuracies(
    world: ClassWorld, fitted: FittedProjection, seen: int, penalty: float
) -> Accuracies:
    semantics = world.semantics.astype(np.float64)
    deductions = penalty * (np.arange(len(semantics)) < seen)
    scores = [
        fitted.projection.standardised_scores(row, semantics) - deductions
        for row in world.inputs.astype(np.float64)
    ]
    correct = np.stack(scores).argmax(axis=1) == world.classes
    is_seen = world.classes < seen
    return Accuracies(float(correct[~is_seen].mean()), float(correct[is_seen].mean()))


def test_unseen_classes_are_recognised() -> None:
    world = class_world()
    fitted = fit(world, 10)
    assert fitted.regularisers.area > 0.9, "measured on held-out seen classes"
    found = accuracies(world, fitted, 10, 0.0)
    assert min(found.unseen, found.seen) > 0.9


def test_the_suggested_penalty_balances_seen_and_unseen_classes() -> None:
    """With five seen classes, a seen class nearly always has the best score without a penalty."""
    world = class_world(seen=5)
    fitted = fit(world, 5)
    plain = accuracies(world, fitted, 5, 0.0)
    balanced = accuracies(world, fitted, 5, fitted.penalty)
    assert plain.unseen < 0.4
    assert plain.seen > 0.8
    assert balanced.unseen > plain.unseen + 0.2
    assert min(balanced.unseen, balanced.seen) > 0.5


@pytest.mark.parametrize("examples", [0, 3])
def test_too_few_examples_are_refused(examples: int) -> None:
    rows = l2_normalize(np.random.default_rng(11).normal(size=(examples, 4)))
    with pytest.raises(InvalidRequest, match="at least 4 examples"):
        fit_projection(rows, [["a"]] * examples, ["a", "b"], l2_normalize(np.eye(2)), None)


def test_an_attribute_of_all_examples_is_refused() -> None:
    rows = l2_normalize(np.random.default_rng(11).normal(size=(5, 4)))
    with pytest.raises(InvalidRequest, match="all examples have the attribute 'a'"):
        fit_projection(rows, [["a"]] * 5, ["a", "b"], l2_normalize(np.eye(2)), None)
