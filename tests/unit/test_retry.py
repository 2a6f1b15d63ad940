"""What follows from an error: tried again and when, or failed and why."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.errors import BadData, PermanentError, RateLimited, RetryAfter, SourceRefused, StoreUnavailable
from quaero.model.definition import RetryPolicy
from quaero.model.status import StatusReason
from quaero.queue.retry import JobTimeout, backoff_seconds, describe, judge, normalised

ONCE = RetryPolicy()
THRICE = RetryPolicy(max_attempts=3, backoff=2, jitter=False)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 10),
    backoff=st.floats(0, 100),
    max_backoff=st.floats(0, 10_000),
    jitter=st.booleans(),
)


@pytest.mark.parametrize(
    ("error", "policy", "failures", "delay", "reason"),
    [
        (ValueError("x"), ONCE, 1, None, StatusReason.ERROR),
        (ValueError("x"), THRICE, 1, 2, None),
        (ValueError("x"), THRICE, 2, 4, None),
        (ValueError("x"), THRICE, 3, None, StatusReason.EXHAUSTED),
        (RateLimited("x"), THRICE, 1, 2, None),
        (StoreUnavailable("x"), THRICE, 3, None, StatusReason.EXHAUSTED),
        (PermanentError("x"), THRICE, 1, None, StatusReason.PERMANENT),
        (SourceRefused("x"), THRICE, 1, None, StatusReason.PERMANENT),
        (BadData("x"), ONCE, 1, None, StatusReason.PERMANENT),
        (RetryAfter(60), THRICE, 1, 60, None),
        (RetryAfter(timedelta(milliseconds=1)), THRICE, 2, 4, None),
        (RetryAfter(60), THRICE, 3, None, StatusReason.EXHAUSTED),
        (RetryAfter(60), ONCE, 1, None, StatusReason.ERROR),
        (JobTimeout("x"), THRICE, 2, 4, None),
        (JobTimeout("x"), THRICE, 3, None, StatusReason.TIMEOUT),
        (JobTimeout("x"), ONCE, 1, None, StatusReason.TIMEOUT),
    ],
)
def test_an_error_is_judged_by_its_class_and_count(
    error: Exception, policy: RetryPolicy, failures: int, delay: float | None, reason: StatusReason | None
) -> None:
    verdict = judge(error, policy, failures, Random(0))

    assert verdict == (None if delay is None else delay * 1_000_000, reason)


@given(policies, st.integers(1, 200), st.integers())
def test_backing_off_doubles_up_to_its_most_and_jitter_takes_at_most_half(
    policy: RetryPolicy, failures: int, seed: int
) -> None:
    most = min(policy.backoff * 2.0 ** min(failures - 1, 60), policy.max_backoff)

    delay = backoff_seconds(policy, failures, Random(seed))

    assert most * (0.5 if policy.jitter else 1) <= delay <= most


@given(policies, st.integers(1, 20), st.integers())
def test_a_verdict_has_a_delay_or_a_reason_never_both(policy: RetryPolicy, failures: int, seed: int) -> None:
    delay, reason = judge(ValueError("x"), policy, failures, Random(seed))

    assert (delay is None) != (reason is None)
    assert (delay is not None) == (failures < policy.max_attempts)


def test_jitter_spreads_retries() -> None:
    policy = RetryPolicy(max_attempts=9, backoff=10)
    random = Random(1)

    assert len({backoff_seconds(policy, 1, random) for _ in range(100)}) > 90


def test_an_error_is_kept_with_its_type_message_and_place() -> None:
    try:
        raise ValueError("no page 17 at https://example.org/a?b=1")
    except ValueError as caught:
        described = describe(caught)

    assert (described.type, described.message) == ("ValueError", "no page 17 at https://example.org/a?b=1")
    assert "Traceback" in described.traceback
    where = "test_retry.py:test_an_error_is_kept_with_its_type_message_and_place"
    assert described.family == f"ValueError at {where}: no page … at …"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no file /tmp/a.txt", "no file /var/b.txt"),
        ("key 'a' is missing", "key 'b c' is missing"),
        ("object at 0x7f12", "object at 0x9e00"),
        ("job 12 of 400", "job 7 of 9"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id 00000000-0000-0000-0000-000000000000"),
    ],
)
def test_errors_of_one_cause_are_of_one_family(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


def test_a_long_or_empty_message_is_kept_within_bounds() -> None:
    class Silent(Exception):
        pass

    assert describe(Silent()).message == "Silent"
    assert len(describe(ValueError("x" * 100_000)).message) == 2_000
    assert len(describe(ValueError("x" * 100_000)).traceback) == 8_000


def test_what_the_policy_does_not_know_counts_as_passing() -> None:
    class Unheard(BaseException):
        pass

    errors: list[Any] = [Unheard(), KeyError("x"), OSError(5, "io")]

    assert all(judge(error, THRICE, 1, Random(0)).delay_us for error in errors)
