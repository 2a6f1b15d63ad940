"""``--set key=value``: values given at the start of a run, put into ``[config]``."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import msgspec

from quaero.definitions.content import TomlError, content_hash, read_toml
from quaero.definitions.findings import Report
from quaero.definitions.header import read_run_settings
from quaero.definitions.tables import Table
from quaero.definitions.toml_places import Places
from quaero.errors import ConfigError, InvalidDefinition
from quaero.model.definition import JobDefinition


def parse_value(text: str) -> Any:
    """A value as TOML (``3``, ``true``, ``["a"]``, ``"3"``) where it is some, else the text itself."""
    try:
        parsed = read_toml(f"value = {text}")
    except TomlError:
        return text
    return parsed["value"] if set(parsed) == {"value"} else text


def apply_overrides(config: Mapping[str, Any], overrides: Mapping[str, str]) -> dict[str, Any]:
    """A copy of ``[config]`` with the values set; a dotted key goes into the tables below, made where absent.

    Raises:
        ConfigError: a key is empty, or leads through a value that is no table.
    """
    changed = copy.deepcopy(dict(config))
    for key, text in overrides.items():
        *tables, last = key.split(".")
        if not all((*tables, last)):
            raise ConfigError(f"--set {key}={text}: {key!r} is not a key of [config]")
        target = changed
        for name in tables:
            target = target.setdefault(name, {})
            if not isinstance(target, dict):
                raise ConfigError(f"--set {key}={text}: config.{name} is not a table")
        target[last] = parse_value(text)
    return changed


def override_config(definition: JobDefinition, overrides: Mapping[str, str]) -> JobDefinition:
    """The definition with values of ``[config]`` replaced, and a hash of its own.

    What was read from ``[config]`` when the file was loaded (tickers of ``variables``, cache defaults, ``{config.x}``
    in the engine's own step keys) stays; pass the overrides in ``LoadContext`` to have it all follow.

    Raises:
        ConfigError: a key can't be set.
        InvalidDefinition: max_parallel_steps, priority or overlap got a value they can't have.
    """
    config = apply_overrides(definition.config, overrides)
    if config == definition.config:
        return definition
    report = Report("--set", Places({}, {}))
    settings = read_run_settings(Table(config, ("config",), report))
    if findings := report.sorted():
        raise InvalidDefinition(findings)
    return msgspec.structs.replace(
        definition,
        config=config,
        max_parallel_steps=settings.max_parallel_steps,
        priority=settings.priority,
        overlap=settings.overlap,
        hash=content_hash({"of": definition.hash, "config": config}),
    )
