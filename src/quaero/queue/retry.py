"""Retry policy: an error and how often it happened -> what to do next. Pure functions."""

from __future__ import annotations

import re
import traceback
from random import Random
from typing import NamedTuple

from quaero.errors import PermanentError, RetryAfter
from quaero.model.definition import RetryPolicy
from quaero.model.job import JobError
from quaero.model.status import StatusReason

MAX_RESCUES = 10
"""The lost lease that fails a job for good (``crash_loop``)."""
_TRACEBACK_CHARS = 8_000
_MESSAGE_CHARS = 2_000
_VARIABLE = re.compile(
    r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|'[^']*'|\"[^\"]*\"|/[^\s:]+|https?://\S+|\d+", re.IGNORECASE
)


class JobTimeout(Exception):
    """An attempt ran past the step's ``job_timeout``."""


class Verdict(NamedTuple):
    """``delay_us`` is None where the job fails for good, with ``reason``."""

    delay_us: int | None
    reason: StatusReason | None


def judge(error: BaseException, policy: RetryPolicy, failures: int, random: Random) -> Verdict:
    """What follows from a failed attempt, the ``failures``-th (from 1) of its job."""
    if isinstance(error, PermanentError):
        return Verdict(None, StatusReason.PERMANENT)
    if failures < policy.max_attempts:
        delay = backoff_seconds(policy, failures, random)
        if isinstance(error, RetryAfter):
            delay = max(delay, error.delay.total_seconds())
        return Verdict(int(delay * 1_000_000), None)
    if isinstance(error, JobTimeout):
        return Verdict(None, StatusReason.TIMEOUT)
    return Verdict(None, StatusReason.EXHAUSTED if policy.max_attempts > 1 else StatusReason.ERROR)


def backoff_seconds(policy: RetryPolicy, failures: int, random: Random) -> float:
    """Doubled per failure up to ``max_backoff``; jitter takes away up to half, so that retries spread."""
    delay = min(policy.backoff * 2.0 ** min(failures - 1, 60), policy.max_backoff)
    return delay * (1 - 0.5 * random.random()) if policy.jitter else delay


def describe(error: BaseException) -> JobError:
    """What is kept of an exception. ``family`` is the same for errors of one cause: type, message, place."""
    name = type(error).__name__
    message = str(error)[:_MESSAGE_CHARS] or name
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].name}" if frames else ""
    text = "".join(traceback.format_exception(error))[-_TRACEBACK_CHARS:]
    return JobError(type=name, message=message, traceback=text, family=f"{name} at {place}: {normalised(message)}")


def normalised(message: str) -> str:
    """The message without what differs from case to case: numbers, quoted text, paths, addresses."""
    return _VARIABLE.sub("…", message)[:200]
