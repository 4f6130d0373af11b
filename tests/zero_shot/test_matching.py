"""Tests the fit of texts to labels and its standardisation."""

import numpy as np
import pytest

from app.zero_shot.matching import fit, stack, standardise, standardised_fit
from tests.zero_shot.examples import tokens


def test_the_fit_of_single_vectors_is_their_cosine() -> None:
    labels = stack(
        standardise([tokens([1, 0]), tokens([3, 4])], [tokens([1, 0]), tokens([0, 1])], None)
    )
    assert fit(tokens([2, 0]), labels) == pytest.approx([1.0, 0.6], abs=1e-6)


def test_the_fit_of_a_text_of_two_words_by_hand() -> None:
    """Text x, y and label x: the cosine of the means is 0.707; x matches x (1), y nothing (0)."""
    labels = stack(standardise([tokens([1, 0])], [tokens([1, 0]), tokens([0, 1])], None))
    both = fit(tokens([1, 0], [0, 1]), labels)
    assert both == pytest.approx([0.5 * 0.70710678 + 0.25 * (0.5 + 1.0)], abs=1e-6)
    heavy = fit(tokens([1, 0], [0, 1], weights=[3, 1]), labels)
    assert heavy > both


def test_the_standardised_fit_of_a_hub_is_not_the_highest() -> None:
    hub, other = tokens([1, 0.2]), tokens([0.2, 1])
    background = [
        tokens([1, float(noise)]) for noise in np.random.default_rng(11).normal(0, 0.3, 50)
    ]
    labels = stack(standardise([hub, other], background, None))
    text = tokens([1, 0.9])
    assert fit(text, labels).argmax() == 0
    assert standardised_fit(text, labels).argmax() == 1
