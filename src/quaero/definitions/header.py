"""The top level of a definition: everything outside of ``[step.*]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from quaero.calc.schedule_times import ScheduleError
from quaero.definitions.context import LoadContext
from quaero.definitions.findings import did_you_mean
from quaero.definitions.placeholders import find
from quaero.definitions.schedule import TooFrequent, check_schedule, find_zone
from quaero.definitions.tables import Table
from quaero.model.definition import CachePolicy, ErrorTolerance, FailureAction, JobDefinition, Misfire, Overlap

SHORTHAND_KEYS = (
    "start_urls",
    "include_patterns",
    "exclude_patterns",
    "max_depth",
    "max_pages",
    "concurrency",
    "follow_links",
)
"""Top-level keys that make a crawler step of their own where there is no ``[step.*]``."""

TOP_KEYS = frozenset(
    [
        "id",
        "name",
        "type",
        "job_type",
        "description",
        "schedule",
        "timezone",
        "schedule_jitter",
        "misfire",
        "misfire_window",
        "timeout",
        "enabled",
        "auto_start",
        "authentication",
        "tags",
        "extension",
        "url_patterns",
        "source_type",
        "base_url",
        "pre_jobs",
        "post_jobs",
        "post_on",
        "error_tolerance",
        "config",
        "template",
        "meta",
        "step",
    ]
).union(SHORTHAND_KEYS)

_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")
_FAILURE_ACTIONS: tuple[FailureAction, ...] = ("stop_all", "continue", "mark_warning")
_OVERLAPS: tuple[Overlap, ...] = ("skip", "queue", "cancel_previous", "allow")
_MISFIRES: tuple[Misfire, ...] = ("skip", "one", "all")
_TOLERANCE_KEYS = ("max_child_failures", "max_child_failure_percent", "failure_action")


def is_id(text: str) -> bool:
    """Whether a definition may be called so."""
    return bool(_ID.fullmatch(text))


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The keys of ``[config]`` that steer the engine."""

    max_parallel_steps: int
    priority: int
    overlap: Overlap


def read_header(top: Table, context: LoadContext, file: str) -> dict[str, Any]:
    """The fields of ``JobDefinition`` that stand at the top level, checked one by one."""
    _warn_of_unknown_keys(top)
    defaults = JobDefinition(id="", name="", hash="")
    return {
        "id": _read_id(top, context, file),
        "name": _read_name(top),
        "type": top.text("type"),
        "job_type": top.choice("job_type", ("user", "system"), defaults.job_type),
        "description": top.text("description"),
        "schedule": _read_schedule(top, context),
        "timezone": top.text("timezone"),
        "schedule_jitter": top.duration("schedule_jitter", minimum=0) or defaults.schedule_jitter,
        "misfire": top.choice("misfire", _MISFIRES, defaults.misfire),
        "misfire_window": _read_window(top, defaults.misfire_window),
        "timeout": top.duration("timeout"),
        "enabled": top.flag("enabled", defaults.enabled),
        "auto_start": top.flag("auto_start", defaults.auto_start),
        "authentication": _read_authentication(top, context),
        "tags": top.texts("tags"),
        "extension": top.flag("extension", defaults.extension),
        "url_patterns": top.texts("url_patterns"),
        "source_type": top.choice("source_type", ("jira", "confluence", "github", "web"), ""),
        "base_url": top.text("base_url"),
        "pre_jobs": top.texts("pre_jobs"),
        "post_jobs": top.texts("post_jobs"),
        "post_on": top.choice("post_on", ("always", "success"), defaults.post_on),
        "tolerance": _read_tolerance(top.table("error_tolerance")),
    }


def read_run_settings(config: Table) -> RunSettings:
    """How runs of this definition share the engine."""
    return RunSettings(
        max_parallel_steps=config.whole("max_parallel_steps", 4, minimum=1),
        priority=config.whole("priority", 0),
        overlap=config.choice("overlap", _OVERLAPS, "skip"),
    )


def check_config(config: Table) -> None:
    """The types of the remaining keys of ``[config]`` that have a meaning; any other key is free."""
    config.flag("singleton", False)
    config.text("default_exchange")
    variables = config.values.get("variables", [])
    if not isinstance(variables, list) or not all(isinstance(entry, dict) for entry in variables):
        config.wrong("variables", "an array of tables", 'as variables = [{ ticker = "ASX:GNP" }]')


def read_cache(table: Table, default: CachePolicy, *, with_hours: bool = True) -> CachePolicy:
    """The step cache as a table says it; ``with_hours=False`` where ``cache_hours`` belongs to the worker."""
    return CachePolicy(
        enabled=table.flag("cache", default.enabled),
        type=table.choice("cache_type", ("auto", "rolling_time", "hard_time", "none"), default.type),
        hours=table.number("cache_hours", default.hours, code="JD012") if with_hours else default.hours,
        revisions=table.whole("revisions", default.revisions, minimum=1),
    )


def _warn_of_unknown_keys(top: Table) -> None:
    for key, value in top.values.items():
        is_array = key == "steps" and isinstance(value, list)  # JD005 says it better
        if key not in TOP_KEYS and not is_array:
            top.warn_unknown(key, TOP_KEYS)
        elif key in SHORTHAND_KEYS and top.values.get("step"):
            message = f"{key} has no effect beside [step.*]"
            top.report.warning("JD013", top.at(key), message, "move it into the table of the crawler step")


def _read_id(top: Table, context: LoadContext, file: str) -> str:
    value = top.values.get("id", "")
    if value == "":
        _report_missing(top, "JD002", "id", 'add id = "a-short-name"')
        return ""
    if not isinstance(value, str) or not is_id(value):
        top.wrong(
            "id", "lower-case letters, digits, - and _", 'start it with a letter or digit, as "my-crawl"', "JD004"
        )
        return ""
    other = context.known.get(value)
    if other and not other.is_in(file):
        message = f"id {value} is already taken by {other.file}"
        top.report.error("JD004", top.at("id"), message, "give one of them another id")
    return value


def _read_name(top: Table) -> str:
    if top.values.get("name", "") == "":
        _report_missing(top, "JD003", "name", 'add name = "What people call it"')
    return top.text("name")


def _report_missing(top: Table, code: str, key: str, hint: str) -> None:
    if key in top:
        top.report.error(code, top.at(key), f"{key} is empty", hint)
    else:
        top.report.missing(code, top.path, key, f"{key} is missing", hint)


def _read_schedule(top: Table, context: LoadContext) -> str:
    zone = _read_zone(top, context)
    expression = top.text("schedule")
    if not expression:
        return ""
    try:
        check_schedule(expression, zone)
    except ScheduleError as error:
        hint = 'five fields: minute hour day-of-month month day-of-week, as "15 5 * * 1"'
        top.report.error("JD030", top.at("schedule"), f"invalid schedule: {error}", hint)
    except TooFrequent as error:
        hint = "leave at least 5 minutes between two runs, as */5"
        top.report.error("JD031", top.at("schedule"), f"schedule runs more often than every 5 minutes: {error}", hint)
    return expression


def _read_window(top: Table, default: float) -> float:
    window = top.duration("misfire_window", minimum=0)
    return default if window is None else window


def _read_zone(top: Table, context: LoadContext) -> ZoneInfo:
    name = top.text("timezone")
    if name:
        if zone := find_zone(name):
            return zone
        hint = did_you_mean(name, available_timezones()) or 'write an IANA name, as "Europe/Vienna"'
        top.report.error("JD033", top.at("timezone"), f"unknown time zone {name}", hint)
    return find_zone(context.timezone) or ZoneInfo("UTC")


def _read_authentication(top: Table, context: LoadContext) -> str:
    value = top.text("authentication")
    references = find(value)
    name = references[0].name if references and str(references[0]) == value else value
    if value and not context.has_key(name):
        message = f"no credentials are stored under {name}"
        top.report.warning("JD051", top.at("authentication"), message, f"store them: quaero keys set {name}")
    return value


def _read_tolerance(table: Table) -> ErrorTolerance:
    table.warn_of_others(_TOLERANCE_KEYS)
    return ErrorTolerance(
        max_child_failures=table.whole("max_child_failures", 0, minimum=0, code="JD041"),
        max_child_failure_percent=table.number("max_child_failure_percent", 0, high=100, code="JD034"),
        failure_action=table.choice("failure_action", _FAILURE_ACTIONS, "continue"),
    )
