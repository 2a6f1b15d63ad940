"""The outline of a definition's text: its steps and what they depend on, as far as the text can be read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from quaero.definitions.content import TomlError, plain, read_toml
from quaero.definitions.header import SHORTHAND_KEYS
from quaero.definitions.placeholders import resolve_config
from quaero.definitions.toml_places import Path, find_places

_TABLE = re.compile(r"^[ \t]*\[{1,2}[ \t]*(?:step|config|error_tolerance|meta|template)\b", re.MULTILINE)
_STEP = re.compile(r"[ \t]*\[[ \t]*step[ \t]*\.[ \t]*([A-Za-z0-9_-]+)[ \t]*\]")
_AT_LINE = re.compile(r"at line (\d+)")
_KEY = re.compile(r"[ \t]*[A-Za-z0-9_.\"'-]+[ \t]*=")


class StepNode(msgspec.Struct, frozen=True, kw_only=True):
    """One step, as the text has it: nothing in it need be right."""

    name: str
    type: str
    position: int
    depends: tuple[str, ...]
    """May name steps that don't exist."""
    description: str
    condition: str
    on_error: str
    always_run: bool
    line: int
    """Of its header, from 1."""


class StepEdge(msgspec.Struct, frozen=True, kw_only=True):
    """``target`` depends on ``source``; both exist. There may be cycles."""

    source: str
    target: str


class Outline(msgspec.Struct, frozen=True, kw_only=True):
    steps: tuple[StepNode, ...] = ()
    edges: tuple[StepEdge, ...] = ()


def outline(text: str) -> Outline:
    """Where the text is not TOML, the tables in it are read one by one, each up to its fault."""
    try:
        content = read_toml(text)
        places = find_places(text)
    except (TomlError, RecursionError):
        content, lines = _piecewise(text)
    else:
        lines = {path[1]: places.table(path).line for path in places.keys if _is_step(path)}
    steps = tuple(_nodes(content, lines))
    names = {step.name for step in steps}
    edges = tuple(
        StepEdge(source=other, target=step.name) for step in steps for other in step.depends if other in names
    )
    return Outline(steps=steps, edges=edges)


def _is_step(path: Path) -> bool:
    return len(path) == 2 and path[0] == "step"


def _nodes(content: Mapping[str, Any], lines: Mapping[str | int, int]) -> Iterator[StepNode]:
    config = _table(content.get("config"))
    steps = {name: table for name, table in _table(content.get("step")).items() if isinstance(table, Mapping)}
    if not steps and any(content.get(key) for key in (*SHORTHAND_KEYS, "base_url", "extension")):
        steps = {"crawl": {"type": "crawler"}}
    for position, (name, written) in enumerate(steps.items()):
        table = resolve_config({**_table(written.get("config")), **written}, config)
        yield StepNode(
            name=name,
            type=_text(table.get("type")),
            position=position,
            depends=_names(table.get("depends")),
            description=_text(table.get("description")),
            condition=_text(table.get("condition")),
            on_error=_text(table.get("on_error")) or "continue",
            always_run=table.get("always_run") is True,
            line=lines.get(name, 1),
        )


def _piecewise(text: str) -> tuple[dict[str, Any], dict[str | int, int]]:
    """What the tables of a text say that can't be read as a whole, and the lines of its steps."""
    starts = [0, *(match.start() for match in _TABLE.finditer(text)), len(text)]
    content: dict[str, Any] = {}
    lines: dict[str | int, int] = {}
    for start, end in pairwise(starts):
        piece = text[start:end]
        if header := _STEP.match(piece):
            lines.setdefault(header[1], text.count("\n", 0, start) + 1)
            _merge(content, {"step": {header[1]: {}}})
        _merge(content, _up_to_the_fault(piece))
    return content, lines


def _up_to_the_fault(piece: str) -> dict[str, Any]:
    """What the lines before the first fault say; of a text that never ends, what comes before that text."""
    lines = piece.split("\n")
    for _ in range(20):
        try:
            return {key: plain(value) for key, value in tomllib.loads("\n".join(lines)).items()}
        except RecursionError:
            return {}
        except ValueError as error:
            found = _AT_LINE.search(str(error))
            at = int(found[1]) - 1 if found else _last_key(lines)
            lines = lines[: min(at, len(lines) - 1)]
    return {}


def _last_key(lines: Sequence[str]) -> int:
    return next((at for at in reversed(range(len(lines))) if _KEY.match(lines[at])), 0)


def _merge(content: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(mine := content.get(key), dict):
            _merge(mine, value)
        else:
            content.setdefault(key, value)


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    found = value if isinstance(value, list) else []
    return tuple(dict.fromkeys(name for name in found if isinstance(name, str) and name))
