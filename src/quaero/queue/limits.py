"""Flow control: how many jobs of a (worker type, key) may start now. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quaero.model.definition import Limits, Rate
from quaero.ports.jobs import Limiter

SECOND = 1_000_000


class Allowance(NamedTuple):
    """``jobs`` may start now; the next one at ``next_at`` (µs), None when only an end can free a place."""

    jobs: int
    next_at: int | None


def refilled(rate: Rate, limiter: Limiter, now: int) -> float:
    """Tokens in the bucket at ``now``. The bucket holds one second's worth, at least one token."""
    burst = capacity(rate)
    if limiter.tokens is None or limiter.stamp is None:
        return burst
    return min(burst, limiter.tokens + max(0, now - limiter.stamp) * rate.count / (rate.seconds * SECOND))


def capacity(rate: Rate) -> float:
    return max(1.0, rate.count / rate.seconds)


def allowance(limits: Sequence[Limits], limiter: Limiter, now: int, wanted: int) -> Allowance:
    """The strictest of all ``limits`` that hold for this key (the step's, the server's)."""
    count, next_at = wanted, None
    for limit in limits:
        if limit.concurrency is not None:
            count = min(count, max(0, limit.concurrency - limiter.in_use))
    rate = tightest_rate(limits)
    if rate is not None:
        tokens = refilled(rate, limiter, now)
        if tokens < count:
            count = int(tokens)
            missing = 1 - (tokens - count)
            next_at = now + int(missing * rate.seconds * SECOND / rate.count) + 1
    return Allowance(count, next_at)


def tightest_rate(limits: Sequence[Limits]) -> Rate | None:
    rates = [limit.rate for limit in limits if limit.rate is not None]
    return min(rates, key=lambda r: r.count / r.seconds, default=None)


def taken(limits: Sequence[Limits], limiter: Limiter, now: int, count: int) -> Limiter:
    """The limiter after ``count`` more jobs have started."""
    rate = tightest_rate(limits)
    if rate is None:
        return limiter._replace(in_use=limiter.in_use + count)
    return Limiter(limiter.key, limiter.in_use + count, refilled(rate, limiter, now) - count, now)
