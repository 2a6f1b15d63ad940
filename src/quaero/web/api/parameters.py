"""Parameters: the kinds of values that requests carry, each refused where no store could hold it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Request
from pydantic import AfterValidator, Field

from quaero.errors import BadData

LARGEST: Final = 2**63 - 1
NUL: Final = "\0"


def _storable(text: str) -> str:
    if NUL in text:
        raise ValueError("must not contain the character NUL")
    return text


def _utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Id = Annotated[int, Field(ge=1, le=LARGEST)]
Seq = Annotated[int, Field(ge=0, le=LARGEST)]
Place = Annotated[int, Field(ge=0, le=LARGEST)]
Text = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
Time = Annotated[datetime, AfterValidator(_utc)]
"""In UTC where it names no zone."""


def refuse_nul(request: Request) -> None:
    """In path and query, for all routes. PostgreSQL can't hold the character, and nobody means it."""
    for name, value in request.path_params.items():
        if NUL in str(value):
            raise BadData(f"{name} must not contain the character NUL")
    for name, value in request.query_params.multi_items():
        if NUL in name or NUL in value:
            raise BadData(f"{name.replace(NUL, '')} must not contain the character NUL")
