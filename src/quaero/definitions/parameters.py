"""The worker's own keys of a step, checked against the model of its parameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from quaero.definitions import tickers
from quaero.definitions.placeholders import find_in, resolve_config
from quaero.definitions.tables import Table, shown
from quaero.definitions.toml_places import Path

_WANTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "literal_error": "one of {expected}",
    "enum": "one of {expected}",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or less",
    "string_too_short": "text of {min_length} or more characters",
    "string_too_long": "text of {max_length} or less characters",
    "string_pattern_mismatch": "text that matches {pattern}",
}


def accepted_keys(model: type[BaseModel]) -> frozenset[str]:
    """Every key that a config model takes, aliases among them."""
    keys: set[str] = set()
    for name, info in model.model_fields.items():
        keys.add(name)
        choices = getattr(info.validation_alias, "choices", [info.alias, info.validation_alias])
        keys.update(choice for choice in choices if isinstance(choice, str))
    return frozenset(keys)


def takes_anything(model: type[BaseModel]) -> bool:
    return model.model_config.get("extra") == "allow"


class Parameters:
    """The parameters of one step while they are checked. Placeholders stay in ``values``."""

    def __init__(
        self, step: Table, values: Mapping[str, Any], model: type[BaseModel], config: Mapping[str, Any], *, raw: bool
    ) -> None:
        self.values = copy.deepcopy(dict(values))
        self._step = step
        self._model = model
        self._config = config
        self._raw = raw
        self._tickers_at: Path | None = None
        if "tickers" in model.model_fields:
            self._collect_tickers()

    def check(self, worker_type: str) -> None:
        """Drops unknown keys with a warning (JD013) and reports what the model refuses (JD012)."""
        resolved = self._resolved(self.values)
        while errors := self._errors(resolved):
            extra = [error for error in errors if error["type"] == "extra_forbidden"]
            dropped = [error for error in extra if self._drop(resolved, error["loc"], worker_type)]
            if not dropped:
                for error in errors:
                    self._report(error, worker_type)
                return

    def _resolved(self, value: Any) -> Any:
        return copy.deepcopy(value) if self._raw else resolve_config(value, self._config)

    def _collect_tickers(self) -> None:
        taken = [key for key in tickers.STEP_KEYS if key in self.values]
        sources = {key: self._resolved(self.values[key]) for key in taken}
        own_fields = accepted_keys(self._model)
        for key in taken:
            if key == "tickers" or key not in own_fields:
                del self.values[key]
        if found := tickers.collect_tickers(sources, self._config):
            self.values["tickers"] = found
        self._tickers_at = self._step.at(taken[0]) if taken else ("config", "variables")

    def _errors(self, resolved: dict[str, Any]) -> list[ErrorDetails]:
        try:
            self._model.model_validate(resolved)
        except ValidationError as error:
            return error.errors(include_url=False)
        return []

    def _drop(self, resolved: dict[str, Any], loc: tuple[int | str, ...], worker_type: str) -> bool:
        """Takes an unknown key out of both forms of the parameters; whether it was found."""
        path = _path_into(resolved, loc)
        if not path or path[-1] != loc[-1]:
            return False
        _delete(resolved, path)
        if _path_into(self.values, path) == path:
            _delete(self.values, path)
        message = f"unknown key {path[-1]} for worker type {worker_type}"
        self._step.report.warning("JD013", self._place_of(path), message, "it has no effect")
        return True

    def _place_of(self, path: Path) -> Path:
        if not path:
            return self._step.path
        if path[0] == "tickers" and self._tickers_at:
            return self._tickers_at
        return (*self._step.at(str(path[0])), *path[1:])

    def _report(self, error: ErrorDetails, worker_type: str) -> None:
        report = self._step.report
        loc = error["loc"]
        path = _path_into(self.values, loc)
        if error["type"] == "missing":
            self._report_missing(self._place_of(path), str(loc[-1]), worker_type)
        elif loc and not self._raw and find_in(error["input"]):
            pass  # its type shows only when the placeholder is resolved
        elif not path:
            report.table_error("JD012", self._step.path, _in_words(error, path))
        elif not report.has_error(place := self._place_of(path)):
            report.error("JD012", place, _in_words(error, path))

    def _report_missing(self, table: Path, key: str, worker_type: str) -> None:
        if not self._step.report.has_error((*table, key)):
            message = f"{key} is missing; worker type {worker_type} needs it"
            self._step.report.missing("JD012", table, key, message, f"add {key} = …")


def _in_words(error: ErrorDetails, path: Path) -> str:
    name = ".".join(str(part) for part in path)
    if wanted := _WANTED.get(error["type"]):
        wanted = wanted.format(**error.get("ctx", {}))
        return f"{name} must be {wanted}, not {shown(error['input'])}"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"{name}: {message}" if name else message


def _path_into(value: Any, loc: tuple[int | str, ...]) -> Path:
    """The part of an error's location that leads through the value; the rest names alternatives of a type."""
    path: Path = ()
    inside: Any = value
    for part in loc:
        keys: Any = inside if isinstance(inside, Mapping) else range(len(inside)) if isinstance(inside, list) else ()
        if part in keys:
            inside = inside[part]
            path = (*path, part)
    return path


def _delete(value: Any, path: Path) -> None:
    for part in path[:-1]:
        value = value[part]
    del value[path[-1]]
