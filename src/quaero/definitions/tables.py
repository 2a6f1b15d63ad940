"""Reading a TOML table key by key: each value typed, each fault reported at its place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from quaero.definitions.durations import parse_duration
from quaero.definitions.findings import Report, did_you_mean, one_of
from quaero.definitions.toml_places import Path

_Choice = TypeVar("_Choice", bound=str)
_DURATION_HINT = 'write a number and a unit, as "30s", "10m", "2h", "1d" or "1h30m"'


class Table:
    """A table of the file. A value of the wrong type is reported once and read as the default.

    ``origins`` gives the path of a key that doesn't stand in the table itself.
    """

    def __init__(
        self, values: Mapping[str, Any], path: Path, report: Report, origins: Mapping[str, Path] | None = None
    ) -> None:
        self.values = values
        self.path = path
        self.report = report
        self._origins = origins or {}

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def at(self, key: str) -> Path:
        """The path under which a key is written in the file."""
        return self._origins.get(key, (*self.path, key))

    def wrong(self, key: str, wanted: str, hint: str = "", code: str = "JD012") -> None:
        self.report.error(code, self.at(key), f"{key} must be {wanted}, not {shown(self.values[key])}", hint)

    def text(self, key: str, default: str = "") -> str:
        value = self.values.get(key, default)
        if isinstance(value, str):
            return value
        self.wrong(key, "text")
        return default

    def flag(self, key: str, default: bool) -> bool:
        value = self.values.get(key, default)
        if isinstance(value, bool):
            return value
        self.wrong(key, "true or false")
        return default

    def whole(self, key: str, default: int, *, minimum: int | None = None, code: str = "JD012") -> int:
        """A whole number, at least ``minimum``; a smaller one is reported with ``code``."""
        value = self.optional_whole(key, minimum=minimum, code=code)
        return default if value is None else value

    def optional_whole(self, key: str, *, minimum: int | None = None, code: str = "JD012") -> int | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong(key, "a whole number")
            return None
        if minimum is not None and value < minimum:
            self.wrong(key, f"{minimum} or more", code=code)
            return None
        return value

    def number(self, key: str, default: float, *, low: float = 0, high: float | None = None, code: str) -> float:
        """A number from ``low`` to ``high``; one outside is reported with ``code``."""
        value = self.values.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.wrong(key, "a number")
        elif not value >= low or (high is not None and value > high):
            self.wrong(key, f"{low:g} to {high:g}" if high is not None else f"{low:g} or more", code=code)
        else:
            return value
        return default

    def texts(self, key: str, *, split: bool = False) -> tuple[str, ...]:
        """A list of texts; with ``split`` also one text, parted at its commas."""
        value = self.values.get(key, ())
        if split and isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.wrong(key, "a list of texts" if not split else "a list of texts, or one with commas")
        return ()

    def duration(self, key: str, *, minimum: float = 0.001) -> float | None:
        """Seconds, at least ``minimum``; None where the key is absent, empty or wrong (JD032)."""
        value = self.values.get(key, "")
        if value == "":
            return None
        try:
            if isinstance(value, str) and (seconds := parse_duration(value)) >= minimum:
                return seconds
        except ValueError:
            pass
        self.wrong(key, "a duration" if not isinstance(value, str) else "a valid duration", _DURATION_HINT, "JD032")
        return None

    def choice(self, key: str, choices: Collection[_Choice], default: _Choice) -> _Choice:
        """One of a few words (JD040)."""
        value = self.values.get(key, default)
        for choice in choices:
            if choice == value:
                return choice
        if value != "" or default:
            hint = did_you_mean(value, choices) if isinstance(value, str) else ""
            self.wrong(key, one_of(choices), hint, "JD040")
        return default

    def table(self, key: str) -> Table:
        """The table below; empty where it is absent or no table."""
        value = self.values.get(key, {})
        if not isinstance(value, Mapping):
            self.wrong(key, "a table")
            value = {}
        return Table(value, self.at(key), self.report)

    def warn_of_others(self, known: Collection[str]) -> None:
        """Reports every key that isn't known (JD013)."""
        for key in self.values:
            if key not in known:
                self.warn_unknown(key, known)

    def warn_unknown(self, key: str, known: Collection[str], owner: str = "") -> None:
        message = f"unknown key {key}" + (f" for {owner}" if owner else "")
        self.report.warning("JD013", self.at(key), message, did_you_mean(key, known) or "it has no effect")


def shown(value: Any) -> str:
    """A value as a message shows it: scalars as TOML, short; tables and lists by kind."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
