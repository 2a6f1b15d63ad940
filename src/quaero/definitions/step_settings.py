"""The tables and key groups of a step that the engine reads: retry, limits, filter."""

from __future__ import annotations

import re
from datetime import datetime

from quaero.definitions.placeholders import find, payload_fields
from quaero.definitions.tables import Table
from quaero.model.definition import Limits, OnError, Rate, RetryPolicy, StepFilter

FILTER_KEYS = (
    "filter_tags",
    "filter_source_type",
    "filter_category",
    "filter_created_after",
    "filter_updated_after",
    "filter_limit",
)

_RETRY_KEYS = ("max_attempts", "backoff", "max_backoff", "jitter")
_LIMIT_KEYS = ("concurrency", "rate", "key")
_RATE = re.compile(r"([1-9]\d{0,8})/([smh])")
_RATE_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
_ATTEMPTS_WITH_RETRY = 3


def read_retry(step: Table, on_error: OnError) -> RetryPolicy:
    """``[step.x.retry]``; absent: one attempt, three where ``on_error`` is retry."""
    if "retry" not in step:
        return RetryPolicy(max_attempts=_ATTEMPTS_WITH_RETRY if on_error == "retry" else 1)
    table = step.table("retry")
    table.warn_of_others(_RETRY_KEYS)
    default = RetryPolicy(max_attempts=_ATTEMPTS_WITH_RETRY)
    backoff = table.duration("backoff", minimum=0)
    max_backoff = table.duration("max_backoff", minimum=0)
    return RetryPolicy(
        max_attempts=table.whole("max_attempts", default.max_attempts, minimum=1),
        backoff=default.backoff if backoff is None else backoff,
        max_backoff=default.max_backoff if max_backoff is None else max_backoff,
        jitter=table.flag("jitter", default.jitter),
    )


def read_limits(table: Table) -> Limits:
    """``[step.x.limits]``: faults are JD034."""
    table.warn_of_others(_LIMIT_KEYS)
    return Limits(
        concurrency=table.optional_whole("concurrency", minimum=1, code="JD034"),
        rate=_read_rate(table),
        key=_read_limit_key(table),
    )


def _read_rate(table: Table) -> Rate | None:
    value = table.values.get("rate")
    if value is None:
        return None
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if not match:
        table.wrong("rate", "a rate", 'write "10/s", "100/m" or "500/h"', "JD034")
        return None
    return Rate(int(match[1]), _RATE_SECONDS[match[2]])


def _read_limit_key(table: Table) -> str | None:
    value = table.text("key")
    try:
        payload_fields(value)
    except ValueError as error:
        table.report.error("JD034", table.at("key"), f"key: {error}", 'as key = "{payload.host}"')
        return None
    return value or None


def read_filter(step: Table) -> StepFilter:
    """The ``filter_*`` keys."""
    return StepFilter(
        tags=step.texts("filter_tags", split=True),
        source_type=step.text("filter_source_type") or None,
        category=step.texts("filter_category", split=True),
        created_after=_read_date(step, "filter_created_after"),
        updated_after=_read_date(step, "filter_updated_after"),
        limit=step.optional_whole("filter_limit", minimum=1, code="JD060"),
    )


def _read_date(step: Table, key: str) -> str | None:
    value = step.text(key)
    if value and not find(value) and not _is_rfc_3339(value):
        step.wrong(key, "an RFC 3339 date and time", 'as "2025-03-01T00:00:00Z"', "JD060")
        return None
    return value or None


def _is_rfc_3339(text: str) -> bool:
    if not _RFC_3339.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True
