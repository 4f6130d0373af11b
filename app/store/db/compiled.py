"""Statements on the way of every search: composed and compiled once, and past the ORM.

Between two requests, with cold caches, SQLAlchemy takes several times as long to compile a
statement's cache key and to make objects of its rows as SQLite takes to answer it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVarTuple, cast

from sqlalchemy import BindParameter, Connection, Dialect, Select, bindparam
from sqlalchemy.orm import Session

Columns = TypeVarTuple("Columns")

MOST_VALUES = 512
"""So many values of a list go into one statement."""


class Statements:
    """What a database calls each statement; comes with every session of it."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._compiled: dict[Select[*tuple[Any, ...]], _Compiled] = {}

    def compiled(self, statement: Select[*tuple[Any, ...]]) -> "_Compiled":
        """The same object asks for the same text, so statements are kept by those who ask."""
        known = self._compiled.get(statement)
        if known is None:
            known = self._compiled[statement] = _compile(statement, self._dialect)
        return known


@dataclass(frozen=True, slots=True)
class _Compiled:
    """`places` name the values in order where the driver counts them; None where it knows names.
    `readers` turn what the driver gives for a column into what the column holds."""

    sql: str
    places: tuple[str, ...] | None
    constants: Mapping[str, object]
    readers: tuple[tuple[int, Callable[[Any], Any]], ...]

    def parameters(self, values: Mapping[str, object]) -> tuple[object, ...] | dict[str, object]:
        every = {**self.constants, **values}
        return every if self.places is None else tuple(every[name] for name in self.places)

    def read(self, row: Sequence[Any]) -> tuple[Any, ...]:
        found = list(row)
        for column, reader in self.readers:
            found[column] = reader(found[column])
        return tuple(found)


def slots(size: int) -> list[BindParameter[object]]:
    """What a statement compares a column with: places for so many values."""
    return [bindparam(_slot(number)) for number in range(size)]


def fetch(
    session: Session, statement: Select[*Columns], values: Mapping[str, object]
) -> Sequence[tuple[*Columns]]:
    """All rows, as columns; what the session was told to write is there before.

    `values` are given to the driver as they are.
    """
    session.flush()
    connection = session.bind
    assert isinstance(connection, Connection), "sessions come from Database"
    statements = session.info["statements"]
    assert isinstance(statements, Statements)
    compiled = statements.compiled(statement)
    rows = connection.exec_driver_sql(compiled.sql, compiled.parameters(values)).all()
    if compiled.readers:
        return cast(Sequence[tuple[*Columns]], [compiled.read(row) for row in rows])
    return cast(Sequence[tuple[*Columns]], rows)


def fetch_among(
    session: Session,
    statement: Callable[[int], Select[*Columns]],
    among: Sequence[object],
    values: Mapping[str, object] | None = None,
) -> Iterator[tuple[*Columns]]:
    """Rows of a statement that compares with one of many values, in no order.

    `statement` makes it for a number of `slots`, and keeps it: only powers of two are asked for.
    """
    for start in range(0, len(among), MOST_VALUES):
        some = among[start : start + MOST_VALUES]
        size = 1 << (len(some) - 1).bit_length()
        filled = {_slot(number): value for number, value in enumerate(some)}
        filled.update((_slot(number), some[-1]) for number in range(len(some), size))
        yield from fetch(session, statement(size), {**(values or {}), **filled})


def _slot(number: int) -> str:
    return f"among_{number}"


def _compile(statement: Select[*tuple[Any, ...]], dialect: Dialect) -> _Compiled:
    made = statement.compile(dialect=dialect)
    readers = [
        (place, reader)
        for place, column in enumerate(statement.selected_columns)
        if (reader := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
    ]
    places = getattr(made, "positiontup", None)
    constants = {name: value for name, value in made.params.items() if value is not None}
    return _Compiled(str(made), tuple(places) if places else None, constants, tuple(readers))
