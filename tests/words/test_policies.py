"""Tests the spelling policies: letter case and Persian normalisation."""

import pytest

from app.errors import InvalidRequest
from app.words.policies import WordPolicy, fold_persian

SENTENCE = "من یک لیوان آب پرتقال می‌خواهم"  # I want a glass of orange juice


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("علي", "علی"),
        ("كتاب", "کتاب"),
        ("می‌خواهم", "میخواهم"),
        ("کتـــاب", "کتاب"),
        ("مُعَلِّم", "معلم"),
        ("آب", "آب"),
        ("orange", "orange"),
    ],
)
def test_persian_spellings_of_a_word_fold_into_one(written: str, folded: str) -> None:
    assert fold_persian(written) == folded
    assert fold_persian(folded) == folded, "folding is idempotent"


def test_a_sentence_in_arabic_letters_folds_into_the_persian_one() -> None:
    arabic = SENTENCE.replace("ی", "ي").replace("ک", "ك").replace("\u200c", "")
    assert arabic != SENTENCE
    assert fold_persian(arabic) == fold_persian(SENTENCE)
    policy = WordPolicy(normalisation="persian")
    for one, other in zip(SENTENCE.split(), arabic.split(), strict=True):
        assert policy.spellings(one) == policy.spellings(other)


def test_spellings_depend_on_the_treatment_of_unknown_words() -> None:
    assert WordPolicy().spellings("Orange") == ("Orange",)
    assert WordPolicy("lowercase").spellings("Orange") == ("Orange", "orange")
    assert WordPolicy("lowercase").spellings("orange") == ("orange",)
    assert WordPolicy("skip").spellings("Orange") == ("Orange", "orange")
    assert WordPolicy.of(WordPolicy("lowercase", "persian").options()) == WordPolicy(
        "lowercase", "persian"
    )
    assert WordPolicy.of({}) == WordPolicy()


def test_a_word_without_remaining_characters_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="normalisation removes"):
        WordPolicy(normalisation="persian").fold("\u200c")
