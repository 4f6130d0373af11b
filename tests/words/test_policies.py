"""Which spellings are one word: casing, and Persian as people and machines write it."""

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
def test_persian_spellings_of_one_word(written: str, folded: str) -> None:
    assert fold_persian(written) == folded
    assert fold_persian(folded) == folded, "folding twice is folding once"


def test_a_sentence_typed_on_an_arabic_keyboard_is_the_same_sentence() -> None:
    arabic = SENTENCE.replace("ی", "ي").replace("ک", "ك").replace("\u200c", "")
    assert arabic != SENTENCE
    assert fold_persian(arabic) == fold_persian(SENTENCE)
    policy = WordPolicy(normalisation="persian")
    for one, other in zip(SENTENCE.split(), arabic.split(), strict=True):
        assert policy.spellings(one) == policy.spellings(other)


def test_unknown_words() -> None:
    assert WordPolicy().spellings("Orange") == ("Orange",)
    assert WordPolicy("lowercase").spellings("Orange") == ("Orange", "orange")
    assert WordPolicy("lowercase").spellings("orange") == ("orange",)
    assert WordPolicy("skip").spellings("Orange") == ("Orange", "orange")
    assert WordPolicy.of(WordPolicy("lowercase", "persian").options()) == WordPolicy(
        "lowercase", "persian"
    )
    assert WordPolicy.of({}) == WordPolicy()


def test_nothing_is_not_a_word() -> None:
    with pytest.raises(InvalidRequest):
        WordPolicy(normalisation="persian").fold("\u200c")
