"""Tests ConSE, DAP and ESZSL on examples that are computed by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.zero_shot.methods import area_under_curve, choose_regularisers, conse, dap, eszsl
from tests.zero_shot.examples import class_world


def test_eszsl_by_hand() -> None:
    """(XX' + I)^-1 X Y S' (SS' + I)^-1 of two examples, two classes, two dimensions each.

    XX' + I = diag(5, 2); X Y S' = [[0, -2], [0, 1]]; (SS' + I)^-1 = [[2, -1], [-1, 3]] / 5.
    """
    inputs = np.array([[2.0, 0.0], [0.0, 1.0]])
    truth = np.array([[1.0, -1.0], [-1.0, 1.0]])
    semantics = np.array([[1.0, 0.0], [1.0, 1.0]])
    expected = np.array([[0.08, -0.24], [-0.1, 0.3]])
    assert eszsl(inputs, truth, semantics, 1.0, 1.0) == pytest.approx(expected)


def test_eszsl_without_evidence_returns_its_prior() -> None:
    prior = np.array([[1.0, 2.0], [3.0, 4.0]])
    nothing = np.zeros((1, 2))
    kept = eszsl(nothing, np.ones((1, 2)), np.eye(2), 1.0, 1.0, prior)
    assert kept == pytest.approx(prior)
    fitting = np.eye(2) @ prior @ np.eye(2)
    assert eszsl(np.eye(2), fitting, np.eye(2), 1.0, 1.0, prior) == pytest.approx(prior)


def test_dap_by_hand() -> None:
    p, priors = np.array([0.8, 0.4]), np.array([0.5, 0.5])
    found = dap(p, np.array([[1.0, 0.0], [0.0, 1.0]]), priors)
    assert found == pytest.approx([np.log(0.8 * 0.6 / 0.25), np.log(0.2 * 0.4 / 0.25)])
    assert dap(np.array([1.0, 0.0]), np.eye(2), priors)[0] < 50, (
        "probabilities of 1 and 0 have finite odds"
    )


def test_conse_by_hand() -> None:
    seen = np.eye(2)
    labels = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = conse(np.array([0.75, 0.25]), seen, labels)
    assert found == pytest.approx(np.array([0.75, 0.25]) / np.sqrt(0.625), abs=1e-6)
    assert conse(np.array([0.75, 0.25]), seen, labels, max_classes=1) == pytest.approx([1.0, 0.0])


def test_regularisers_are_chosen_on_held_out_classes() -> None:
    world = class_world()
    truth = np.where(world.classes[:, None] == np.arange(14), 1.0, -1.0)
    centred = (world.inputs - world.inputs.mean(axis=0)).astype(float)
    chosen = choose_regularisers(centred, truth, world.semantics.astype(float))
    shuffled = np.random.default_rng(11).permutation(world.semantics).astype(float)
    assert chosen.area > 0.9 > choose_regularisers(centred, truth, shuffled).area
    assert np.isnan(choose_regularisers(centred[:4], truth[:4], shuffled).area)


def test_area_under_curve_by_hand() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.3])
    assert area_under_curve(scores, np.array([True, True, False, False])) == 1.0
    assert area_under_curve(scores, np.array([True, False, True, False])) == 0.625


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.integers(0, 3))
def test_a_more_probable_attribute_never_hurts_the_class_that_has_it(
    odds: list[float], drawn: int
) -> None:
    p = 1 / (1 + np.exp(-np.array(odds)))
    n = len(p)
    signatures = np.stack([np.eye(n)[drawn % n], 1 - np.eye(n)[drawn % n]])
    priors = np.full(n, 0.5)
    more = p.copy()
    more[drawn % n] = min(0.999, p[drawn % n] + 0.1)
    before, after = dap(p, signatures, priors), dap(more, signatures, priors)
    assert after[0] - after[1] >= before[0] - before[1] - 1e-9
