"""Slots and token buckets, over a clock that only the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.model.definition import Limits, Rate
from quaero.ports.jobs import Limiter
from quaero.queue.limits import SECOND, allowance, capacity, refilled, taken, tightest_rate

EMPTY = Limiter("", 0, None, None)
rates = st.builds(Rate, st.integers(1, 1_000), st.sampled_from([1.0, 60.0, 3600.0]))
waits = st.lists(st.tuples(st.integers(0, 20 * SECOND), st.integers(1, 50)), max_size=40)


@given(st.integers(1, 20), st.integers(0, 30), st.integers(0, 50))
def test_no_more_slots_are_given_than_are_free(concurrency: int, in_use: int, wanted: int) -> None:
    allowed = allowance([Limits(concurrency=concurrency)], EMPTY._replace(in_use=in_use), 0, wanted)

    assert allowed.jobs == min(wanted, max(0, concurrency - in_use))
    assert allowed.next_at is None, "only an end frees a slot"


@given(rates, waits)
def test_a_bucket_gives_no_more_than_its_rate_and_one_burst_and_never_goes_below_zero(
    rate: Rate, waits: list[tuple[int, int]]
) -> None:
    limits = [Limits(rate=rate)]
    limiter, now, started = EMPTY, 0, 0
    for wait, wanted in waits:
        now += wait
        jobs = allowance(limits, limiter, now, wanted).jobs
        limiter = taken(limits, limiter, now, jobs)
        started += jobs
        assert limiter.tokens is not None
        assert 0 <= limiter.tokens <= capacity(rate)
        assert started <= capacity(rate) + now * rate.count / (rate.seconds * SECOND) + 1e-6
    assert limiter.in_use == started


@given(rates, st.integers(1, 50))
def test_the_next_job_may_start_exactly_when_it_is_said_to(rate: Rate, wanted: int) -> None:
    limits = [Limits(rate=rate)]
    limiter = taken(limits, EMPTY, 0, allowance(limits, EMPTY, 0, 10_000).jobs)
    next_at = allowance(limits, limiter, 0, wanted).next_at
    assert next_at is not None

    assert allowance(limits, limiter, next_at, wanted).jobs >= 1
    assert allowance(limits, limiter, next_at - max(3, next_at // 100), wanted).jobs == 0


@given(rates)
def test_a_bucket_left_alone_fills_to_one_seconds_worth_and_at_least_one(rate: Rate) -> None:
    assert refilled(rate, Limiter("", 0, 0.0, 0), 10**15) == max(1.0, rate.count / rate.seconds)


def test_a_clock_that_goes_back_takes_no_tokens_away() -> None:
    assert refilled(Rate(10, 1), Limiter("", 0, 4.0, 1_000 * SECOND), 0) == 4.0


def test_the_strictest_limit_counts() -> None:
    limits = [Limits(concurrency=5), Limits(concurrency=3, rate=Rate(100, 1)), Limits(rate=Rate(60, 60))]

    assert tightest_rate(limits) == Rate(60, 60)
    assert allowance(limits, EMPTY, 0, 10).jobs == 1
    assert allowance(limits[:2], EMPTY, 0, 10).jobs == 3


def test_without_a_rate_the_bucket_of_others_stays_as_it_is() -> None:
    limiter = Limiter("", 1, 0.25, 77)

    assert taken([Limits(concurrency=9)], limiter, 10**9, 2) == Limiter("", 3, 0.25, 77)


@pytest.mark.parametrize("wanted", [0, 1, 7])
def test_without_limits_everything_may_start(wanted: int) -> None:
    assert allowance([], EMPTY, 0, wanted) == (wanted, None)
