"""What may stand in a definition: every key with type, default and a word on it, as an editor offers them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from quaero.definitions.context import WorkerSpec
from quaero.definitions.worker_docs import worker_data

TEXT, TEXTS, LIST, FLAG, WHOLE, NUMBER, DURATION, TABLE = (
    "text",
    "list of texts",
    "list of texts, or one with commas",
    "true or false",
    "whole number",
    "number",
    "duration",
    "table",
)


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a table."""

    name: str
    type: str
    """In words."""
    default: Any = None
    required: bool = False
    values: tuple[str, ...] = ()
    """The words that it takes, where there are only a few."""
    description: str = ""


class PlaceholderForm(msgspec.Struct, frozen=True, kw_only=True):
    form: str
    description: str


class DefinitionSchema(msgspec.Struct, frozen=True, kw_only=True):
    """Keys by table, the workers with their parameters, and the forms of placeholders and conditions."""

    top: tuple[Key, ...]
    config: tuple[Key, ...]
    """Those with a meaning; any other is free."""
    error_tolerance: tuple[Key, ...]
    step: tuple[Key, ...]
    """Those of every step; all others are parameters of its worker."""
    retry: tuple[Key, ...]
    limits: tuple[Key, ...]
    workers: tuple[dict[str, Any], ...]
    """``type``, ``description``, ``job_type``, ``documents``, ``parameters``, ``example``, ``schema`` (JSON Schema)."""
    agent_types: tuple[str, ...]
    placeholders: tuple[PlaceholderForm, ...]
    condition: tuple[str, ...]
    """What a condition is made of."""


def definition_schema(catalog: Mapping[str, WorkerSpec], agent_types: Collection[str]) -> DefinitionSchema:
    return DefinitionSchema(
        top=TOP,
        config=CONFIG,
        error_tolerance=ERROR_TOLERANCE,
        step=STEP,
        retry=RETRY,
        limits=LIMITS,
        workers=tuple(worker_data(catalog[name]) for name in sorted(catalog)),
        agent_types=tuple(sorted(agent_types)),
        placeholders=PLACEHOLDERS,
        condition=CONDITION,
    )


def _key(name: str, kind: str, default: Any, description: str, *values: str, required: bool = False) -> Key:
    return Key(name=name, type=kind, default=default, required=required, values=values, description=description)


TOP = (
    _key("id", TEXT, None, "Lower-case letters, digits, - and _; unique among all definitions.", required=True),
    _key("name", TEXT, None, "What people call it.", required=True),
    _key("description", TEXT, "", "A word on it."),
    _key("type", TEXT, "", "A label; that of the first step where absent."),
    _key("job_type", TEXT, "user", "A label.", "user", "system"),
    _key("tags", TEXTS, (), "Added to every document of the run."),
    _key("timeout", DURATION, "", "Deadline of the whole run."),
    _key("enabled", FLAG, True, "false: it is not started."),
    _key("schedule", TEXT, "", "Five cron fields: minute, hour, day of month, month, day of week."),
    _key("timezone", TEXT, "", 'Zone of the schedule, as "Europe/Vienna"; the server\'s where absent.'),
    _key("schedule_jitter", DURATION, "", "The schedule's runs start up to so much later, by chance."),
    _key("misfire", TEXT, "one", "What becomes of the times that were missed.", "skip", "one", "all"),
    _key("misfire_window", DURATION, "1d", "How late a missed time is still made up for."),
    _key("auto_start", FLAG, False, "Run once when the server has started."),
    _key("authentication", TEXT, "", "Name of stored credentials."),
    _key("extension", FLAG, False, "The browser extension may use it."),
    _key("url_patterns", TEXTS, (), "Pages that the extension offers it for; * stands for anything."),
    _key("source_type", TEXT, "", "Kind of the source.", "jira", "confluence", "github", "web"),
    _key("base_url", TEXT, "", "Where the source begins."),
    _key("pre_jobs", TEXTS, (), "Ids of definitions that run first."),
    _key("post_jobs", TEXTS, (), "Ids of definitions that are started when this run ends."),
    _key("post_on", TEXT, "always", "When post_jobs are started.", "always", "success"),
    _key("error_tolerance", TABLE, None, "How many failed jobs a run bears."),
    _key("config", TABLE, None, "Values for the whole definition, readable as {config.name}."),
    _key("step", TABLE, None, "The steps, each a table [step.NAME]."),
    _key("template", TABLE, None, "Accepted, not read yet."),
    _key("meta", TABLE, None, "Free notes; nothing in it is read."),
    _key(
        "start_urls",
        TEXTS,
        (),
        "Short form of a crawl: a step `crawl` with the keys below, where there is no [step.*].",
    ),
    _key("include_patterns", TEXTS, (), "Short form of a crawl."),
    _key("exclude_patterns", TEXTS, (), "Short form of a crawl."),
    _key("max_depth", WHOLE, None, "Short form of a crawl."),
    _key("max_pages", WHOLE, None, "Short form of a crawl."),
    _key("concurrency", WHOLE, None, "Short form of a crawl."),
    _key("follow_links", FLAG, None, "Short form of a crawl."),
)

_CACHE = (
    _key("cache", FLAG, False, "Take over the result of an earlier run, where nothing it read has changed."),
    _key(
        "cache_type",
        TEXT,
        "auto",
        "How old that result may be: auto and rolling_time: cache_hours; hard_time: since 00:00 UTC; none: off.",
        "auto",
        "rolling_time",
        "hard_time",
        "none",
    ),
    _key("cache_hours", NUMBER, 24, "Of auto and rolling_time; 0: never a hit."),
    _key("revisions", WHOLE, 1, "Earlier results that are kept."),
)

CONFIG = (
    _key("max_parallel_steps", WHOLE, 4, "Steps that may be under way at once."),
    _key("priority", WHOLE, 0, "Of the run; higher goes first."),
    _key(
        "overlap",
        TEXT,
        "skip",
        "What a start does while a run of this definition is active.",
        "skip",
        "queue",
        "cancel_previous",
        "allow",
    ),
    *_CACHE,
    _key("variables", "array of tables", (), "Tickers for the workers that take some."),
    _key("singleton", FLAG, False, "Accepted, not read yet."),
    _key("default_exchange", TEXT, "", "Accepted, not read yet."),
)

ERROR_TOLERANCE = (
    _key("max_child_failures", WHOLE, 0, "Reached at this many failed jobs; 0: no limit."),
    _key("max_child_failure_percent", NUMBER, 0, "Reached when so much of all jobs has failed, 0 to 100; 0: off."),
    _key("failure_action", TEXT, "continue", "What happens then.", "stop_all", "continue", "mark_warning"),
)

STEP = (
    _key("type", TEXT, None, "The worker.", required=True),
    _key("description", TEXT, "", "A word on it."),
    _key("depends", LIST, (), "Steps that must have ended before."),
    _key("inputs", LIST, (), "Steps whose documents this step reads."),
    _key("input_tags", LIST, (), "It reads the documents of this run with all of these tags."),
    _key("output_tags", LIST, (), "Added to every document that the step writes."),
    _key("on_error", TEXT, "continue", "What a failed step means for the run.", "continue", "fail", "retry", "fatal"),
    _key("always_run", FLAG, False, "Also when a step it depends on failed or was skipped."),
    _key("condition", TEXT, "", "When it does not hold, the step is skipped."),
    _key("timeout", DURATION, "", "Limit of the whole step, from its start."),
    _key("job_timeout", DURATION, "", "Limit of one attempt of one job."),
    _key("priority", WHOLE, None, "Higher goes first; the run's where absent."),
    _key("retry", TABLE, None, "How often its jobs are tried; once where absent."),
    _key("limits", TABLE, None, "How many of its jobs run at once, and how many start per time."),
    _key("filter_tags", LIST, (), "Only documents with all of these tags."),
    _key("filter_source_type", TEXT, "", "Only documents of this type."),
    _key("filter_category", LIST, (), "Only documents of one of these categories."),
    _key("filter_created_after", TEXT, "", 'RFC 3339, as "2025-03-01T00:00:00Z".'),
    _key("filter_updated_after", TEXT, "", "RFC 3339."),
    _key("filter_limit", WHOLE, None, "Only the oldest so many documents."),
    *_CACHE,
    _key("raw", FLAG, False, "No placeholder of this step is replaced."),
    _key("config", TABLE, None, "Its keys count as keys of the step."),
)

RETRY = (
    _key("max_attempts", WHOLE, 3, "Failed attempts until a job fails for good."),
    _key("backoff", DURATION, "2s", "Wait after the first failure; doubled with each further one."),
    _key("max_backoff", DURATION, "1m", "Longest wait."),
    _key("jitter", FLAG, True, "Takes away up to half of the wait, by chance."),
)

LIMITS = (
    _key("concurrency", WHOLE, None, "Jobs that run at once."),
    _key("rate", TEXT, None, 'Starts per time, as "10/s", "100/m" or "500/h".'),
    _key("key", TEXT, None, "With {payload.FIELD}: the limits count for each value on its own."),
)

PLACEHOLDERS = (
    PlaceholderForm(
        form="{config.NAME}", description="A value of [config]; keeps its type where it is the whole text."
    ),
    PlaceholderForm(form="{NAME}", description="A stored key; resolved where the job runs, never shown."),
    PlaceholderForm(form="{env.NAME}", description="A variable of the process that runs the job; never shown."),
    PlaceholderForm(
        form="{payload.FIELD}", description="A field of the job's payload; only in key of [step.NAME.limits]."
    ),
    PlaceholderForm(form="{{NAME}}", description="The literal text {NAME}."),
)

CONDITION = (
    "steps.NAME.status",
    "steps.NAME.documents",
    "config.KEY",
    *("==", "!=", "<", "<=", ">", ">=", "and", "or", "not"),
)
