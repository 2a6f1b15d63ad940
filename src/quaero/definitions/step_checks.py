"""Checks of steps beyond the types of their keys: worker, agent, patterns, placeholders, graph, conditions."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from quaero.definitions import catalog
from quaero.definitions.conditions import ConditionError, parse_condition
from quaero.definitions.context import LoadContext, WorkerSpec
from quaero.definitions.findings import did_you_mean, one_of
from quaero.definitions.graph import depends_graph, find_cycles
from quaero.definitions.placeholders import Reference, find, find_in, is_key_name, unresolved
from quaero.definitions.tables import Table
from quaero.definitions.toml_places import Path
from quaero.model.definition import StepDefinition

_PATTERN_KEYS = ("include_patterns", "exclude_patterns")
_OPERATIONS = ("scan", "enrich", "generate")


def find_worker(step: Table, context: LoadContext) -> WorkerSpec | None:
    """The worker of the step's type; None, and a finding, where there is none (JD010, JD011)."""
    worker_type = step.values.get("type", "")
    if worker_type == "":
        hint = 'add type = "..."; quaero workers lists the types'
        step.report.missing("JD010", step.path, "type", "the step has no type", hint)
        return None
    if not isinstance(worker_type, str):
        step.wrong("type", "text")
        return None
    if spec := context.catalog.get(worker_type):
        return spec
    if worker_type in catalog.TYPES or worker_type in context.unavailable:
        missing = context.unavailable.get(worker_type, "no installed package offers it")
        message = f"worker type {worker_type} is not available here: {missing}"
        step.report.error("JD011", step.at("type"), message, "quaero workers lists the types that are available")
    else:
        hint = did_you_mean(worker_type, catalog.TYPES.union(context.catalog))
        message = f"worker type {worker_type} is unknown"
        step.report.error("JD011", step.at("type"), message, hint or "quaero workers lists the types")
    return None


def check_agent(step: Table, context: LoadContext) -> None:
    """What an ``agent`` step may say as ``agent_type`` (JD011, JD060) and ``operation_type`` (JD060)."""
    if step.values.get("type") != "agent":
        return
    operation = step.values.get("operation_type", _OPERATIONS[0])
    if operation not in _OPERATIONS and not find_in(operation):
        hint = did_you_mean(operation, _OPERATIONS) if isinstance(operation, str) else ""
        step.wrong("operation_type", one_of(_OPERATIONS), hint, "JD060")
    agent_type = step.values.get("agent_type")
    if not isinstance(agent_type, str) or find(agent_type):
        return  # absent or of another type: the worker's model says so
    if not agent_type.strip():
        step.report.error("JD060", step.at("agent_type"), "agent_type is empty", _agent_hint(context))
    elif "agent" in context.catalog and agent_type not in context.agent_types:
        _report_agent_type(step, agent_type, context)


def _report_agent_type(step: Table, agent_type: str, context: LoadContext) -> None:
    if agent_type in catalog.AGENT_TYPES:
        fault, hint = "not available here", _agent_hint(context)
    else:
        fault, hint = "unknown", did_you_mean(agent_type, catalog.AGENT_TYPES.union(context.agent_types))
    message = f"worker type agent: agent_type {agent_type} is {fault}"
    step.report.error("JD011", step.at("agent_type"), message, hint or _agent_hint(context))


def _agent_hint(context: LoadContext) -> str:
    return f"available: {', '.join(sorted(context.agent_types))}" if context.agent_types else ""


def check_patterns(step: Table) -> None:
    """The regular expressions of a step compile (JD061)."""
    for key in _PATTERN_KEYS:
        patterns = step.values.get(key)
        for pattern in patterns if isinstance(patterns, list) else []:
            if isinstance(pattern, str) and (fault := _regex_fault(pattern)):
                message = f"{key}: {pattern!r} is not a regular expression: {fault}"
                step.report.error("JD061", step.at(key), message, r"a literal . or ? is written \\. or \\?")


def _regex_fault(pattern: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # [[ may mean something else in a later Python
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            return str(error)
    return ""


def warn_of_placeholders(step: Table, context: LoadContext, config: Mapping[str, Any]) -> None:
    """Placeholders that nothing stands behind now (JD050): the step would fail when it starts."""
    for key, value in step.values.items():
        if key == "limits" or (key == "api_key" and _named_key(value)):
            continue  # JD034 and JD051 say it better
        for path, text in _texts(value, step.at(key)):
            for reference in unresolved(text, lambda r: context.is_known(r, config)):
                message = f"nothing is known for the placeholder {reference}"
                step.report.warning("JD050", path, message, _placeholder_hint(reference))


def _placeholder_hint(reference: Reference) -> str:
    ways = {
        "key": f"store it: quaero keys set {reference.name}",
        "config": f"add {reference.name} to [config] or pass --set {reference.name}=…",
        "env": f"set the environment variable {reference.name}",
    }
    return f"{ways[reference.kind]}; for literal braces write {{{reference}}}"


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def warn_of_missing_key(step: Table, context: LoadContext, config: Mapping[str, Any]) -> None:
    """An ``api_key`` that names a key which doesn't exist (JD051)."""
    name = _named_key(step.values.get("api_key"))
    if name and not context.key_exists(name, config):
        message = f"api_key: no key {name} is stored"
        step.report.warning("JD051", step.at("api_key"), message, f"store it: quaero keys set {name}")


def _named_key(value: Any) -> str:
    """The key that an ``api_key`` names, as ``name`` or ``{name}``; empty for anything else."""
    if not isinstance(value, str):
        return ""
    references = find(value)
    if len(references) == 1 and references[0].kind == "key" and str(references[0]) == value:
        return references[0].name
    return value if is_key_name(value) else ""


def check_graph(steps: Sequence[StepDefinition], tables: Mapping[str, Table]) -> None:
    """Steps named in ``depends``, ``inputs`` and conditions exist, and ``depends`` has no cycle (JD020-022, JD070)."""
    names = {step.name for step in steps}
    for step in steps:
        table = tables[step.name]
        _check_names(table, "depends", step.depends, names - {step.name})
        _check_names(table, "inputs", step.inputs, names)
        _check_condition(table, step, names)
        if step.name in step.depends:
            table.report.error("JD021", table.at("depends"), f"step {step.name} depends on itself", "remove it")
    for cycle in find_cycles(depends_graph(steps)):
        table = tables[cycle[0]]
        message = f"steps depend on one another: {' → '.join(cycle)}"
        table.report.error("JD022", table.at("depends"), message, "remove one of these dependencies")


def _check_names(table: Table, key: str, used: Sequence[str], names: set[str]) -> None:
    own = table.path[-1] if table.path else ""
    for name in used:
        if name not in names and name != own:
            hint = did_you_mean(name, names) or f"steps of this file: {', '.join(sorted(names)) or 'none other'}"
            table.report.error("JD020", table.at(key), f"{key} names the unknown step {name or '(empty)'}", hint)


def _check_condition(table: Table, step: StepDefinition, names: set[str]) -> None:
    if not step.condition.strip():
        return
    try:
        condition = parse_condition(step.condition)
    except ConditionError as error:
        message = f"the condition does not parse: {error}, at its character {error.column}"
        hint = 'as steps.fetch.documents > 0 and steps.fetch.status == "completed"'
        table.report.error("JD070", table.at("condition"), message, hint)
        return
    for name in condition.steps:
        if name not in names:
            message = f"the condition names the unknown step {name}"
            table.report.error("JD070", table.at("condition"), message, did_you_mean(name, names))
