"""Options of commands about people."""

from typing import Annotated, Any

import orjson
import typer

ExternalId = Annotated[
    str | None, typer.Option(help="Your own id of the person; unique within the collection.")
]
MetadataText = Annotated[
    str | None, typer.Option("--metadata", help="A JSON object with your own data.")
]


def parse_metadata(text: str | None) -> dict[str, Any] | None:
    """The metadata in the text of an option. Raises typer.BadParameter."""
    if text is None:
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter("--metadata is not valid JSON; pass a JSON object") from error
    if not isinstance(value, dict):
        raise typer.BadParameter("--metadata is not a JSON object; pass one, such as {}")
    return value
