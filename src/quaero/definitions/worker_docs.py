"""Worker types as data; parameters are described by the docstrings below them in the source."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel


class DescribedWorker(Protocol):
    """A worker type, as far as people are told of it."""

    @property
    def worker_type(self) -> str: ...
    @property
    def config(self) -> type[BaseModel]: ...
    @property
    def description(self) -> str: ...
    @property
    def job_type(self) -> str: ...
    @property
    def documents(self) -> tuple[str, ...]: ...
    @property
    def example(self) -> str: ...


class Parameter(NamedTuple):
    """One key that a step of this type may have."""

    name: str
    aliases: tuple[str, ...]
    type: str
    required: bool
    default: Any
    description: str


def parameters(model: type[BaseModel]) -> list[Parameter]:
    """In the order of the model."""
    described = attribute_docstrings(model)
    schema = model.model_json_schema(by_alias=False)["properties"] if model.model_fields else {}
    return [
        Parameter(
            name=name,
            aliases=tuple(alias for alias in _aliases(info.validation_alias or info.alias) if alias != name),
            type=_type(schema.get(name, {})),
            required=info.is_required(),
            default=None if info.is_required() else info.get_default(call_default_factory=True, validated_data={}),
            description=info.description or described.get(name, ""),
        )
        for name, info in model.model_fields.items()
    ]


def worker_data(worker: DescribedWorker) -> dict[str, Any]:
    """A worker type as JSON shows it; ``schema`` is the JSON Schema of the parameters."""
    schema = worker.config.model_json_schema(by_alias=False)
    found = parameters(worker.config)
    for parameter in found:
        if parameter.description:
            schema["properties"][parameter.name].setdefault("description", parameter.description)
    return {
        "type": worker.worker_type,
        "description": worker.description,
        "job_type": worker.job_type or worker.worker_type,
        "documents": worker.documents,
        "parameters": [parameter._asdict() for parameter in found],
        "example": worker.example,
        "schema": schema,
    }


def attribute_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Field -> the string that stands below it, through all base classes; none where there is no source."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        try:
            source = textwrap.dedent(inspect.getsource(base))
        except (OSError, TypeError):
            continue
        found |= _docstrings(ast.parse(source).body[0])
    return found


def as_toml(value: Any) -> str:
    """A default as a definition would write it."""
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case list() | tuple():
            return f"[{', '.join(map(as_toml, value))}]"
    return str(value)


def _docstrings(node: ast.AST) -> dict[str, str]:
    body = node.body if isinstance(node, ast.ClassDef) else []
    found: dict[str, str] = {}
    for field, below in pairwise(body):
        match (field, below):
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                found[name] = inspect.cleandoc(text)
    return found


def _type(schema: dict[str, Any]) -> str:
    """A JSON schema in a few words."""
    if "enum" in schema:
        return " | ".join(as_toml(value) for value in schema["enum"])
    if "const" in schema:
        return as_toml(schema["const"])
    if "anyOf" in schema:
        return " or ".join(t for t in map(_type, schema["anyOf"]) if t != "null")
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return f"{kind}{_bounds(schema)}"


def _bounds(schema: dict[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {schema[key]:g}" for key, sign in words.items() if key in schema]
    return f" {', '.join(found)}" if found else ""


def _aliases(alias: object) -> Sequence[str]:
    choices = getattr(alias, "choices", (alias,))
    return [choice for choice in choices if isinstance(choice, str)]
