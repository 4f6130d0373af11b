"""Finds a text in another one: an SQL function whose name differs between the databases."""

from typing import Any

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction


class text_position(GenericFunction[int]):  # noqa: N801 - the name of an SQL function
    """`text_position(text, part)`: the place of `part` in `text` from 1, 0 if it is not in it.

    An empty part is at 1. Characters are compared by their code points.
    """

    type = Integer()
    inherit_cache = True


@compiles(text_position)
def _in_sqlite(element: text_position, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(text_position, "postgresql")
def _in_postgresql(element: text_position, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"
