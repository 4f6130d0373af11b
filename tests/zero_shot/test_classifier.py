"""The methods of zero-shot on examples that were worked by hand, and where the answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidRequest, RefusedLabel
from app.texts.space import Label, TokenVectors, spelled_apart
from app.vectors import l2_normalize
from app.zero_shot.classifier import signatures_of
from app.zero_shot.evidence import ProjectedEvidence
from app.zero_shot.fitting import Fitted, fit_projection
from app.zero_shot.labels import ReadyLabels
from app.zero_shot.matching import fit, stack, standard_fit, standardised
from app.zero_shot.methods import (
    area_under_curve,
    choose_regularisers,
    conse,
    dap,
    eszsl,
)
from app.zero_shot.refusals import refuse_harmful

RNG = np.random.default_rng(11)


def bag(*rows: list[float], weights: list[float] | None = None) -> TokenVectors:
    vectors = np.array(rows, dtype=np.float32)
    given = np.array(weights or [1.0] * len(rows), dtype=np.float32)
    return TokenVectors(tuple(f"t{n}" for n in range(len(rows))), vectors, given)


def test_eszsl_by_hand() -> None:
    """(XX' + I)^-1 X Y S' (SS' + I)^-1 of two examples, two classes, two dimensions each.

    XX' + I = diag(5, 2); X Y S' = [[0, -2], [0, 1]]; (SS' + I)^-1 = [[2, -1], [-1, 3]] / 5.
    """
    inputs = np.array([[2.0, 0.0], [0.0, 1.0]])
    truth = np.array([[1.0, -1.0], [-1.0, 1.0]])
    semantics = np.array([[1.0, 0.0], [1.0, 1.0]])
    expected = np.array([[0.08, -0.24], [-0.1, 0.3]])
    assert eszsl(inputs, truth, semantics, 1.0, 1.0) == pytest.approx(expected)


def test_eszsl_without_evidence_keeps_its_prior() -> None:
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
    assert dap(np.array([1.0, 0.0]), np.eye(2), priors)[0] < 50, "certainty stays finite"


def test_conse_by_hand() -> None:
    seen = np.eye(2)
    labels = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = conse(np.array([0.75, 0.25]), seen, labels)
    assert found == pytest.approx(np.array([0.75, 0.25]) / np.sqrt(0.625), abs=1e-6)
    assert conse(np.array([0.75, 0.25]), seen, labels, most=1) == pytest.approx([1.0, 0.0])


def test_single_vectors_fit_by_their_cosine() -> None:
    labels = stack(standardised([bag([1, 0]), bag([3, 4])], [bag([1, 0]), bag([0, 1])], None))
    assert fit(bag([2, 0]), labels) == pytest.approx([1.0, 0.6], abs=1e-6)


def test_words_find_their_counterparts() -> None:
    """Text x, y; label x alone: the means' cosine is 0.707, x finds x (1), y finds nothing (0)."""
    labels = stack(standardised([bag([1, 0])], [bag([1, 0]), bag([0, 1])], None))
    both = fit(bag([1, 0], [0, 1]), labels)
    assert both == pytest.approx([0.5 * 0.70710678 + 0.25 * (0.5 + 1.0)], abs=1e-6)
    heavy = fit(bag([1, 0], [0, 1], weights=[3, 1]), labels)
    assert heavy > both


def test_a_label_that_is_near_everything_is_no_better_for_it() -> None:
    """A hub: its cosine is the highest, its evidence is not."""
    hub, other = bag([1, 0.2]), bag([0.2, 1])
    background = [bag([1, float(noise)]) for noise in RNG.normal(0, 0.3, 50)]
    labels = stack(standardised([hub, other], background, None))
    text = bag([1, 0.9])
    assert fit(text, labels).argmax() == 0
    assert standard_fit(text, labels).argmax() == 1


World = tuple[np.ndarray, np.ndarray, np.ndarray]


def world(seen: int = 10) -> World:
    """Classes with descriptions, the last four of them unseen, and inputs that are a linear
    picture of them with noise. Returns descriptions, inputs, and the class of each input."""
    rng = np.random.default_rng(3)
    descriptions = l2_normalize(rng.normal(size=(seen + 4, 8)))
    picture = rng.normal(size=(8, 24))
    classes = np.repeat(np.arange(seen + 4), 20)
    noise = 0.3 * rng.normal(size=(len(classes), 24))
    return descriptions, l2_normalize(descriptions[classes] @ picture + noise), classes


def learn(made: World, seen: int) -> Fitted:
    descriptions, inputs, classes = made
    shown = classes < seen
    names = [str(c) for c in range(seen)]
    of_each = [[str(c)] for c in classes[shown]]
    return fit_projection(inputs[shown], of_each, names, descriptions[:seen], None)


def hits(made: World, fitted: Fitted, seen: int, penalty: float) -> tuple[float, float]:
    """Among all classes: the share of right answers for unseen and for seen ones."""
    descriptions, inputs, classes = made
    described = descriptions.astype(np.float64)
    lowered = penalty * (np.arange(len(described)) < seen)
    found = np.array(
        [
            int((fitted.projection.standard_scores(row, described) - lowered).argmax())
            for row in inputs.astype(np.float64)
        ]
    )
    right = found == classes
    return float(right[classes >= seen].mean()), float(right[classes < seen].mean())


def test_classes_that_were_never_seen_are_recognised() -> None:
    made = world()
    fitted = learn(made, 10)
    assert fitted.choice.area > 0.9, "measured on held-out seen classes"
    unseen, seen = hits(made, fitted, 10, 0.0)
    assert min(unseen, seen) > 0.9


def test_the_suggested_penalty_balances_seen_and_unseen_classes() -> None:
    """Of five seen classes too little is learned: they win nearly always, until they pay."""
    made = world(seen=5)
    fitted = learn(made, 5)
    plain, paid = hits(made, fitted, 5, 0.0), hits(made, fitted, 5, fitted.penalty)
    assert plain[0] < 0.4
    assert plain[1] > 0.8
    assert paid[0] > plain[0] + 0.2
    assert min(paid) > 0.5


def test_regularisers_are_chosen_by_classes_that_are_left_out() -> None:
    descriptions, inputs, classes = world()
    truth = np.where(classes[:, None] == np.arange(14), 1.0, -1.0)
    centred = (inputs - inputs.mean(axis=0)).astype(float)
    good = choose_regularisers(centred, truth, descriptions.astype(float))
    shuffled = RNG.permutation(descriptions).astype(float)
    bad = choose_regularisers(centred, truth, shuffled)
    assert good.area > 0.9 > bad.area
    assert np.isnan(choose_regularisers(centred[:4], truth[:4], shuffled).area)


def test_area_under_the_curve() -> None:
    scores = np.array([0.9, 0.8, 0.3, 0.3])
    assert area_under_curve(scores, np.array([True, True, False, False])) == 1.0
    assert area_under_curve(scores, np.array([True, False, True, False])) == 0.625


def test_projected_evidence_is_in_standard_deviations() -> None:
    descriptions, inputs, classes = world()
    names = [[str(c)] for c in classes]
    fitted = fit_projection(inputs, names, [str(c) for c in range(14)], descriptions, (1.0, 1.0))
    vectors = stack(
        standardised([bag(row.tolist()) for row in descriptions], [bag([1.0] * 8)], None)
    )
    ready = ReadyLabels(vectors, np.arange(14), ((),) * 14)
    found = np.stack([ProjectedEvidence(fitted.projection, row).of(ready) for row in inputs])
    assert found.std(axis=0) == pytest.approx(np.ones(14), abs=1e-3)
    assert (found.argmax(axis=1) == classes).mean() > 0.95


@pytest.mark.parametrize("examples", [0, 3])
def test_too_little_to_learn_from_is_said(examples: int) -> None:
    rows = l2_normalize(RNG.normal(size=(examples, 4)))
    with pytest.raises(InvalidRequest, match="4 examples"):
        fit_projection(rows, [["a"]] * examples, ["a", "b"], l2_normalize(np.eye(2)), None)
    rows = l2_normalize(RNG.normal(size=(5, 4)))
    with pytest.raises(InvalidRequest, match="all of them are 'a'"):
        fit_projection(rows, [["a"]] * 5, ["a", "b"], l2_normalize(np.eye(2)), None)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.integers(0, 3))
def test_dap_prefers_the_class_whose_attributes_are_there(odds: list[float], drawn: int) -> None:
    """Whatever the other attributes say: raising one never hurts the class that has it."""
    p = 1 / (1 + np.exp(-np.array(odds)))
    n = len(p)
    signatures = np.stack([np.eye(n)[drawn % n], 1 - np.eye(n)[drawn % n]])
    priors = np.full(n, 0.5)
    more = p.copy()
    more[drawn % n] = min(0.999, p[drawn % n] + 0.1)
    before, after = dap(p, signatures, priors), dap(more, signatures, priors)
    assert after[0] - after[1] >= before[0] - before[1] - 1e-9


def test_names_are_spelled_apart() -> None:
    assert spelled_apart("PlayMusic") == "Play Music"
    assert spelled_apart("blue+whale new_york") == "blue whale new york"
    either = Label("Science/Technology", keywords=("lab",)).alternatives()
    assert [one.name for one in either] == ["Science", "Technology"]
    assert either[1].keywords == ("lab",)
    assert [one.name for one in Label("/").alternatives()] == ["/"]


def test_attributes_that_a_label_does_not_mention_are_absent() -> None:
    names, signatures, priors = signatures_of(
        [Label("a", attributes={"x": 1.0}), Label("b", attributes={"y": 0.5})]
    )
    assert names == ["x", "y"]
    assert signatures.tolist() == [[1.0, 0.0], [0.0, 0.5]]
    assert priors.tolist() == [0.5, 0.25]
    with pytest.raises(InvalidRequest, match="attributes"):
        signatures_of([Label("a"), Label("b")])


@pytest.mark.parametrize(
    ("label", "topic"),
    [
        ("Asian", "ethnicity"),
        ("a black person", "ethnicity"),
        ("muslims", "religion"),
        ("looks gay", "sexual orientation"),
        ("depressed", "health"),
        ("white", "ethnicity"),
    ],
)
def test_harmful_labels_of_faces_are_refused(label: str, topic: str) -> None:
    with pytest.raises(RefusedLabel, match=topic):
        refuse_harmful("smiling", label)


def test_colours_of_hair_and_clothes_are_not() -> None:
    refuse_harmful("black hair", "brown eyes", "white shirt", "straight hair", "smiling", "beard")
