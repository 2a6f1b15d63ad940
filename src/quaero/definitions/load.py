"""Reading a job definition: TOML text in, ``JobDefinition`` and all its findings out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quaero.definitions.content import TomlError, content_hash, read_toml
from quaero.definitions.context import LoadContext, LoadResult
from quaero.definitions.findings import Report
from quaero.definitions.header import check_config, read_cache, read_header, read_run_settings
from quaero.definitions.overrides import apply_overrides
from quaero.definitions.relations import check_relations
from quaero.definitions.steps import StepReader
from quaero.definitions.tables import Table
from quaero.definitions.toml_places import Places, find_places
from quaero.model.definition import CachePolicy, Finding, JobDefinition, StepDefinition


def load_definition(text: str, *, file: str, context: LoadContext) -> LoadResult:
    """The definition that a text holds, or all that is wrong with it.

    ``file`` is the path shown in findings; its folder becomes ``base_dir``. Reads nothing but ``text``.

    Raises:
        ConfigError: an override of the context can't be set; its fault is not the file's.
    """
    try:
        content = read_toml(text)
        places = find_places(text)
    except TomlError as error:
        return LoadResult(None, (_syntax_error(error, file),))
    except RecursionError:
        return LoadResult(None, (_syntax_error(TomlError("Nested too deeply", Places({}, {}).key(())), file),))
    if context.overrides and isinstance(content.get("config", {}), dict):
        content["config"] = apply_overrides(content.get("config", {}), context.overrides)
    report = Report(file, places)
    definition = _read(Table(content, (), report), context, file)
    result = LoadResult(definition, report.sorted())
    return LoadResult(None, result.findings) if result.errors else result


def _read(top: Table, context: LoadContext, file: str) -> JobDefinition:
    header = read_header(top, context, file)
    check_relations(top, header["id"], context)
    config = top.table("config")
    check_config(config)
    settings = read_run_settings(config)
    reader = StepReader(context, config.values, read_cache(config, CachePolicy()))
    steps = reader.read(top)
    return JobDefinition(
        **{**header, "type": header["type"] or _first_type(steps)},
        hash=_hash(top.values, steps),
        config=dict(config.values),
        max_parallel_steps=settings.max_parallel_steps,
        priority=settings.priority,
        overlap=settings.overlap,
        steps=steps,
        base_dir=str(Path(file).absolute().parent.resolve()),
    )


def _first_type(steps: tuple[StepDefinition, ...]) -> str:
    return steps[0].type if steps else ""


def _hash(content: Mapping[str, Any], steps: tuple[StepDefinition, ...]) -> str:
    """Over the content and the order of its steps, which decides between steps that are free at the same time."""
    return content_hash({"content": content, "order": [step.name for step in steps]})


def _syntax_error(error: TomlError, file: str) -> Finding:
    return Finding(
        code="JD001",
        severity="error",
        message=f"not valid TOML: {error}",
        file=file,
        line=error.place.line,
        column=error.place.column,
        hint="look for a missing quote or bracket, or a key given twice, here or just before",
    )
