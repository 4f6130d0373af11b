"""What an operation is: the schema of its body and the function that answers it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from fastapi import Request

from app.api.deps import Context
from app.compat.rekognition.answers import Answer
from app.compat.rekognition.requests import Fields
from app.timings import Timings

Body = TypeVar("Body", bound=Fields)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a client."""

    request: Request
    ctx: Context
    timings: Timings

    @property
    def model_version(self) -> str:
        """What clients read as the version of the face model: its name."""
        return self.ctx.services.embedder.space.name


@dataclass(frozen=True, slots=True)
class Operation(Generic[Body]):
    """An operation of the API."""

    schema: type[Body]
    work: Callable[[Call, Body], Awaitable[Answer]]

    async def answer(self, call: Call, body: Body) -> Answer:
        """Runs the operation. Raises its errors, all of them SimaErrors."""
        return await self.work(call, body)
