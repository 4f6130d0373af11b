"""Tests that a request opens each text space and loads its projection once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from app.store.db.database import Database
from app.store.db.schema import upgrade
from app.texts.space import Label
from app.timings import Timings
from app.zero_shot.classifier import ScoringTask
from app.zero_shot.projections import NewProjection
from app.zero_shot.service import ExampleInput, ScoreInput, ZeroShotService
from tests.zero_shot.examples import CountingSpace

TASK = ScoringTask((Label("one"), Label("three")))
NO_FACES: Any = None  # no image is sent


class CountingSpaces:
    """Opens one space under any name and records the names."""

    def __init__(self) -> None:
        self.space = CountingSpace()
        self.opened: list[str] = []

    def open(self, name: str) -> CountingSpace:
        self.opened.append(name)
        return self.space


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'test.db'}")
    upgrade(opened)
    yield opened
    opened.close()


def test_texts_are_classified_in_a_space_that_is_opened_once(database: Database) -> None:
    spaces = CountingSpaces()
    service = ZeroShotService(database, spaces, NO_FACES)
    found = service.classify_texts(["two", "fours"], TASK, "news", Timings())
    assert len(found) == 2
    assert spaces.opened == ["news"]


def test_a_projected_score_opens_each_space_and_loads_the_projection_once(
    database: Database,
) -> None:
    spaces = CountingSpaces()
    service = ZeroShotService(database, spaces, NO_FACES)
    examples = [
        ExampleInput((name,), text=text)
        for name, text in (("one", "a"), ("one", "bb"), ("three", "ccc"), ("three", "dddd"))
    ]
    service.fit_projection(NewProjection("p", "source", "words"), "default", examples, Timings())
    assert spaces.opened == ["source", "words"]

    spaces.opened.clear()
    statements: list[str] = []

    def record(*arguments: Any) -> None:
        statements.append(arguments[2])

    with database.read() as session:
        event.listen(session.get_bind().engine, "before_cursor_execute", record)
    task = ScoringTask(TASK.labels, method="eszsl")
    found = service.score(ScoreInput(text="eeeee"), task, "unused", "p", Timings())
    assert (found.vocabulary, found.projection) == ("words", "p")
    assert sorted(spaces.opened) == ["source", "words"]
    assert sum("FROM projections" in statement for statement in statements) == 1
