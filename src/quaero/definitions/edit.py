"""Changes of a definition's text that leave everything else in it as it was."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from quaero.definitions.toml_places import find_places
from quaero.errors import BadData

_FLAG = re.compile(r"""((?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*=[ \t]*)(?:true|false)\b""")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_EMPTY = re.compile(r"[ \t]*(?:#[^\n]*)?\r?\n?")
_HEADER = re.compile(r"^[ \t]*\[", re.MULTILINE)
_ID = re.compile(r"""^[ \t]*id[ \t]*=[ \t]*(["'])(.*?)\1""", re.MULTILINE)


def with_enabled(text: str, enabled: bool) -> str:
    """The text with the top-level key ``enabled`` set: its value replaced, or a line added above the first table.

    Raises:
        BadData: the text is not TOML, or ``enabled`` has a value there that is neither true nor false.
    """
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadData(f"not valid TOML, so that nothing can be changed in it: {error}") from error
    if content.get("enabled") is enabled:
        return text
    changed = _replaced(text, enabled) if "enabled" in content else _added(text, enabled)
    assert _same(tomllib.loads(changed), {**content, "enabled": enabled})  # noqa: S101 - only what was meant is written
    return changed


def written_id(text: str) -> str:
    """The id that the text of a definition, also one that is not valid TOML, seems to give it; else empty."""
    header = _HEADER.search(text)
    found = _ID.search(text, 0, header.start() if header else len(text))
    return found[2] if found else ""


def _replaced(text: str, enabled: bool) -> str:
    place = find_places(text).key(("enabled",))
    lines = text.split("\n")
    line, start = lines[place.line - 1], place.column - 1
    found = _FLAG.match(line, start)
    if not found:
        raise BadData("enabled must be true or false; correct it in the text")
    lines[place.line - 1] = f"{line[:start]}{found[1]}{_flag(enabled)}{line[found.end() :]}"
    return "\n".join(lines)


def _added(text: str, enabled: bool) -> str:
    """Below the last line of the top level: what follows it up to the first table are comments and empty lines."""
    lines = _LINE.findall(text)
    headers = find_places(text).headers.values()
    end = min((place.line for place in headers), default=len(lines) + 1) - 1
    at = end
    while at and _EMPTY.fullmatch(lines[at - 1]):
        at -= 1
    if not at:
        at = end
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    newline = "\r\n" if any(line.endswith("\r\n") for line in lines[:at]) else "\n"
    lines.insert(at, f"enabled = {_flag(enabled)}{newline}")
    return "".join(lines)


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Compared as text, for nan is not equal to itself."""
    return {key: repr(value) for key, value in one.items()} == {key: repr(value) for key, value in other.items()}


def _flag(value: bool) -> str:
    return "true" if value else "false"
