"""The ``[step.*]`` tables of a definition, and the crawler step that stands for the short form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from quaero.definitions import step_checks
from quaero.definitions.context import LoadContext, WorkerSpec
from quaero.definitions.header import SHORTHAND_KEYS, read_cache
from quaero.definitions.parameters import Parameters, accepted_keys, takes_anything
from quaero.definitions.placeholders import resolve_config
from quaero.definitions.step_settings import FILTER_KEYS, read_filter, read_limits, read_retry
from quaero.definitions.tables import Table
from quaero.definitions.tickers import STEP_KEYS as TICKER_KEYS
from quaero.definitions.toml_places import Path
from quaero.model.definition import CachePolicy, OnError, StepDefinition

STEP_KEYS = frozenset(
    [
        "type",
        "description",
        "depends",
        "on_error",
        "always_run",
        "condition",
        "timeout",
        "job_timeout",
        "priority",
        "limits",
        "retry",
        "inputs",
        "input_tags",
        "output_tags",
        "cache",
        "cache_type",
        "cache_hours",
        "revisions",
        "raw",
        "config",
    ]
).union(FILTER_KEYS)
"""Keys of a step that the engine reads; all others are the worker's."""

RESERVED_NAMES = ("config", "step", "meta", "pre_jobs")

_NAME = re.compile(r"[a-z0-9_]+")
_ON_ERROR: tuple[OnError, ...] = ("continue", "fail", "retry", "fatal")


@dataclass(frozen=True, slots=True)
class StepSource:
    """One step as the file has it: ``[step.x.config]`` merged in, ``origins`` telling which keys came from there."""

    name: str
    values: Mapping[str, Any]
    path: Path
    origins: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepReader:
    """Reads the steps of one definition. ``config`` is its ``[config]``, ``cache`` the default that it sets."""

    context: LoadContext
    config: Mapping[str, Any]
    cache: CachePolicy

    def read(self, top: Table) -> tuple[StepDefinition, ...]:
        """All steps in file order, checked each by itself and against one another.

        A bad step name is JD004, as a bad id is.
        """
        sources = list(self._sources(top))
        steps = tuple(self._step(source, position, top) for position, source in enumerate(sources))
        step_checks.check_graph(steps, {s.name: Table(s.values, s.path, top.report, s.origins) for s in sources})
        return steps

    def _sources(self, top: Table) -> Iterator[StepSource]:
        arrays = [key for key in ("steps", "step") if isinstance(top.values.get(key), list)]
        for key in arrays:
            top.report.table_error(
                "JD005", (key,), f"[[{key}]] is not supported", "write a table [step.<name>] for each"
            )
        if "step" in arrays:
            return
        tables = top.table("step")
        for name in tables:
            if source := _read_source(tables, name):
                yield source
        if not tables.values and not arrays and not top.report.has_error(("step",)):
            if source := self._shorthand(top):
                yield source
            else:
                hint = "add a table [step.<name>], or start_urls for a crawl"
                top.report.table_error("JD006", (), "the definition has no step", hint)

    def _shorthand(self, top: Table) -> StepSource | None:
        """The step ``crawl`` of a definition that has crawler keys at its top instead of steps."""
        values = {key: top.values[key] for key in SHORTHAND_KEYS if key in top}
        by_source = top.values.get("base_url") and top.values.get("source_type")
        if not values and not by_source and top.values.get("extension") is not True:
            return None
        spec = self.context.catalog.get("crawler")
        accepted = accepted_keys(spec.config) if spec else frozenset()
        seeds = {key: top.values[key] for key in ("base_url", "source_type", "extension") if key in top}
        values |= {key: value for key, value in seeds.items() if key in accepted}
        return StepSource("crawl", {"type": "crawler", **values}, ())

    def _step(self, source: StepSource, position: int, top: Table) -> StepDefinition:
        raw = source.values.get("raw") is True
        resolved = source.values if raw else resolve_config(source.values, self.config)
        step = Table(resolved, source.path, top.report, source.origins)
        spec = step_checks.find_worker(step, self.context)
        step_checks.check_agent(step, self.context)
        step_checks.check_patterns(step)
        if not raw:
            step_checks.warn_of_placeholders(step, self.context, self.config)
        step_checks.warn_of_missing_key(step, self.context, self.config)
        on_error = step.choice("on_error", _ON_ERROR, "continue")
        return StepDefinition(
            name=source.name,
            type=step.text("type"),
            position=position,
            description=step.text("description"),
            depends=tuple(dict.fromkeys(step.texts("depends", split=True))),
            on_error=on_error,
            always_run=step.flag("always_run", False),
            condition=step.text("condition"),
            timeout=step.duration("timeout"),
            job_timeout=step.duration("job_timeout"),
            priority=step.optional_whole("priority"),
            retry=read_retry(step, on_error),
            limits=read_limits(step.table("limits")),
            cache=self._read_cache(step, spec),
            inputs=step.texts("inputs", split=True),
            input_tags=step.texts("input_tags", split=True),
            output_tags=step.texts("output_tags", split=True),
            filter=read_filter(step),
            raw=step.flag("raw", False),
            parameters=self._parameters(source, step, spec, raw),  # last: says nothing of keys already found wrong
        )

    def _read_cache(self, step: Table, spec: WorkerSpec | None) -> CachePolicy:
        owned = spec is not None and "cache_hours" in accepted_keys(spec.config)
        hours = step.values.get("cache_hours")
        if owned and isinstance(hours, int | float) and hours < 0:
            step.wrong("cache_hours", "0 or more")
        return read_cache(step, self.cache, with_hours=not owned)

    def _parameters(self, source: StepSource, step: Table, spec: WorkerSpec | None, raw: bool) -> dict[str, Any]:
        """The worker's keys with their placeholders; unknown ones are dropped with a warning (JD013)."""
        if spec is None:
            return {key: value for key, value in source.values.items() if key not in STEP_KEYS}
        accepted = accepted_keys(spec.config) - (STEP_KEYS - {*FILTER_KEYS, "cache_hours"})
        tickers = TICKER_KEYS if "tickers" in spec.config.model_fields else ()
        values: dict[str, Any] = {}
        for key, value in source.values.items():
            if key in accepted or key in tickers or (key not in STEP_KEYS and takes_anything(spec.config)):
                values[key] = value
            elif key not in STEP_KEYS:
                step.warn_unknown(key, accepted | STEP_KEYS, f"worker type {spec.worker_type}")
        parameters = Parameters(step, values, spec.config, self.config, raw=raw)
        parameters.check(spec.worker_type)
        return parameters.values


def _read_source(tables: Table, name: str) -> StepSource | None:
    """The step of this name, its ``config`` table merged in; a key of the step itself wins."""
    path = tables.at(name)
    values = tables.values[name]
    if not isinstance(values, Mapping):
        tables.wrong(name, "a table", "steps are written as tables [step.<name>]")
        return None
    _check_name(tables, name)
    nested = values.get("config", {})
    if not isinstance(nested, Mapping):
        tables.report.error("JD012", (*path, "config"), "config must be a table", f"write it as [step.{name}.config]")
        nested = {}
    own = {key: value for key, value in values.items() if key != "config"}
    origins = {key: (*path, "config", key) for key in nested if key not in own}
    return StepSource(name, {**nested, **own}, path, origins)


def _check_name(tables: Table, name: str) -> None:
    if name in RESERVED_NAMES:
        tables.report.error("JD004", tables.at(name), f"the step name {name} is reserved", "choose another name")
    elif not _NAME.fullmatch(name):
        hint = "use lower-case letters, digits and _ only"
        tables.report.error("JD004", tables.at(name), f"{name!r} is not a step name", hint)
