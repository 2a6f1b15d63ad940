"""Answers: what the API says, in the shapes the rest of Quaero uses anyway.

Records are msgspec structs, encoded once and as they are; :func:`model_of` describes them to OpenAPI, so that no shape
is written down twice. That is done only within :func:`describing`: a server starts without.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, reduce
from operator import or_
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, create_model

T = TypeVar("T")
_encoder = msgspec.json.Encoder(enc_hook=str)


class JsonResponse(Response):
    media_type = "application/json"


def answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``content``: a struct, or lists and tables of them. Times become ISO 8601 in UTC."""
    return JsonResponse(_encoder.encode(content), status_code=status, headers=dict(headers or {}))


def page(items: Sequence[object], following: object = None) -> Response:
    """A page of a list; ``following`` is the cursor of the next one."""
    return answer({"items": items, "next": following})


_is_describing = ContextVar("is_describing", default=False)


def is_describing() -> bool:
    return _is_describing.get()


@contextmanager
def describing() -> Iterator[None]:
    """Routes that are made within know what they answer; others don't need to."""
    token = _is_describing.set(True)
    try:
        yield
    finally:
        _is_describing.reset(token)


def model_of(struct: Any) -> type[BaseModel] | None:
    """The pydantic model with the fields of a msgspec struct: for the description, never for the data."""
    return _model_of(struct) if is_describing() else None


def page_of(struct: Any) -> type[BaseModel] | None:
    """The model of a page of them."""
    return _page_of(struct) if is_describing() else None


def list_of(struct: Any) -> Any:
    return list[_model_of(struct)] if is_describing() else None  # type: ignore[misc]  # made at run time


@cache
def _model_of(struct: Any) -> type[BaseModel]:
    hints = get_type_hints(struct, include_extras=False)
    fields: dict[str, Any] = {}
    for info in msgspec.structs.fields(struct):
        name = info.encode_name
        # A field may be called like a method of the model: its name here is another then, its alias the real one.
        fields[f"{name}_" if hasattr(BaseModel, name) else name] = (_described(hints[info.name]), Field(alias=name))
    return create_model(
        struct.__name__,
        __config__=ConfigDict(title=struct.__name__),
        __doc__=(struct.__doc__ or "").split("``")[0].strip() if struct.__doc__ else None,
        **fields,
    )


@cache
def _page_of(struct: Any) -> type[BaseModel]:
    item = _described(struct)
    name = getattr(item, "__name__", "Item")
    return create_model(
        f"{name}Page",
        __doc__="A page: `items`, and `next`, the cursor of the page behind (null at the end).",
        items=(list[item], ...),  # type: ignore[valid-type]  # made at run time
        next=(str | int | None, Field(None)),
    )


def _described(kind: Any) -> Any:
    """The same type with models in the place of structs."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _forward(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return reduce(or_, map(_described, arguments))
    if origin in {list, tuple, Sequence} and arguments:
        return list[_described(arguments[0])]  # type: ignore[misc]  # made at run time
    if origin is dict:
        return dict[arguments[0], _described(arguments[1])]  # type: ignore[valid-type, misc]  # made at run time
    return getattr(kind, "__supertype__", kind)


_open: set[type] = set()


def _forward(struct: type[msgspec.Struct]) -> Any:
    """A struct that contains itself (a tree) is described one level deep."""
    if struct in _open:
        return dict[str, Any]
    _open.add(struct)
    try:
        return _model_of(struct)
    finally:
        _open.discard(struct)
