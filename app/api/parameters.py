"""Path and query parameters of the endpoints, with their descriptions and examples."""

from typing import Annotated

from fastapi import Path, Query

from app.api.schemas.words import Text

_ID = "9c1185a5c5e9fc5461280897"

PersonId = Annotated[str, Path(description="The id of a person.", examples=[_ID])]
TemplateId = Annotated[
    str,
    Path(description="The id of a template of the person.", examples=["5f0c2e6f9b1d4c4397f0a1b2"]),
]
ErasureId = Annotated[
    str,
    Path(description="The id of a receipt: the header Sima-Erasure of a deletion.", examples=[_ID]),
]
ReceiptLimit = Annotated[
    int, Query(ge=1, le=500, description="The number of receipts.", examples=[50])
]
VisitorId = Annotated[
    str, Path(description="The id of a visitor: visitor_id of /identify.", examples=[_ID])
]
RejectionId = Annotated[
    str, Path(description="The id of a rejection of the person.", examples=[_ID])
]
ApiKeyId = Annotated[str, Path(description="The id of an API key.", examples=[_ID])]
CollectionPath = Annotated[
    str, Path(description="The name of a gallery or vocabulary.", examples=["default"])
]
VocabularyPath = Annotated[
    str, Path(description="The name of a vocabulary.", examples=["glove-6b-50d"])
]
ProjectionPath = Annotated[str, Path(description="The name of a projection.", examples=["animals"])]
TextModelName = Annotated[
    str,
    Path(description="A vocabulary or the sentence encoder.", examples=["glove-6b-50d"]),
]
RequestedWord = Annotated[
    str,
    Path(
        description="A word; the policy of the vocabulary decides which other spellings are tried.",
        examples=["orange"],
    ),
]
WordPath = Annotated[
    Text, Path(description="A word, spelled as it is stored.", examples=["orange"])
]
VocabularyQuery = Annotated[
    str | None,
    Query(
        description="The vocabulary; default: the default vocabulary.", examples=["glove-6b-50d"]
    ),
]
