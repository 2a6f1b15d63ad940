"""The content of a TOML text as plain JSON values, its hash, and the place of a syntax error."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from quaero.definitions.toml_places import Place

_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


class TomlError(ValueError):
    """The text is not TOML; carries the place where reading it stopped."""

    def __init__(self, message: str, place: Place) -> None:
        self.place = place
        super().__init__(message)


def read_toml(text: str) -> dict[str, Any]:
    """What a TOML text says, dates as text.

    Raises:
        TomlError: it is none.
    """
    try:
        return {key: plain(value) for key, value in tomllib.loads(text).items()}
    except RecursionError as error:
        raise TomlError("Nested too deeply", Place()) from error
    except ValueError as error:
        raise _with_place(str(error), text) from error


def plain(value: Any) -> Any:
    """A TOML value as JSON can hold it: dates and times become their ISO 8601 text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def content_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of parsed content: comments, spaces and the order of keys don't matter."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _with_place(message: str, text: str) -> TomlError:
    match = _AT.search(message)
    if not match:
        return TomlError(message, Place())
    if match[1]:
        place = Place(int(match[1]), int(match[2]))
    else:
        lines = text.replace("\r\n", "\n").split("\n")
        place = Place(len(lines), len(lines[-1]) + 1)
    return TomlError(message[: match.start()], place)
