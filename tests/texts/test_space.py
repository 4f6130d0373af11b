"""Tests labels: compound names and alternatives."""

from app.texts.space import Label, split_compound


def test_compound_names_are_split_into_words() -> None:
    assert split_compound("PlayMusic") == "Play Music"
    assert split_compound("blue+whale new_york") == "blue whale new york"


def test_names_between_slashes_are_alternatives() -> None:
    science, technology = Label("Science/Technology", keywords=("lab",)).alternatives()
    assert (science.name, technology.name) == ("Science", "Technology")
    assert technology.keywords == ("lab",)
    assert [one.name for one in Label("/").alternatives()] == ["/"]
