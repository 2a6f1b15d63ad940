"""Guessing the password gets slower with every guess, and costs no memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quaero.web.access.login import FREE, FREE_OF_ALL, LONGEST_WAIT_S, MOST_ADDRESSES, LoginLimiter
from tests.access_kit import Clock


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def limiter(clock):
    return LoginLimiter(clock)


def fail(limiter: LoginLimiter, clock: Clock, times: int, address: Callable[[int], str] = lambda _: "1.1.1.1") -> None:
    for number in range(times):
        while wait := limiter.enter(address(number)):
            clock.advance(wait)


def test_the_wait_doubles_with_every_failure_up_to_a_quarter_of_an_hour(limiter, clock):
    fail(limiter, clock, FREE)
    waits = []
    for _ in range(14):
        wait = limiter.enter("1.1.1.1")
        waits.append(round(wait, 6))
        clock.advance(wait)
        assert limiter.enter("1.1.1.1") == 0

    assert waits == [min(LONGEST_WAIT_S, 2.0**power) for power in range(14)]


def test_an_attempt_before_its_time_changes_nothing(limiter, clock):
    fail(limiter, clock, FREE + 3)
    assert limiter.enter("1.1.1.1") == pytest.approx(8)
    clock.advance(5)
    assert limiter.enter("1.1.1.1") == pytest.approx(3)


def test_success_clears_the_record_of_an_address(limiter, clock):
    fail(limiter, clock, FREE + 2)
    limiter.succeeded("1.1.1.1")

    assert limiter.enter("1.1.1.1") == 0


def test_after_an_hour_all_is_forgotten(limiter, clock):
    fail(limiter, clock, FREE + 5)
    clock.advance(3601)

    assert limiter.enter("1.1.1.1") == 0


def test_addresses_do_not_hold_each_other_up_until_there_are_many_failures(limiter, clock):
    fail(limiter, clock, FREE)
    assert limiter.enter("2.2.2.2") == 0

    fail(limiter, clock, FREE_OF_ALL, lambda number: f"10.0.0.{number}")

    assert 0 < limiter.enter("3.3.3.3") <= 30


def test_whoever_signed_in_before_is_not_held_up_by_strangers(limiter, clock):
    limiter.enter("9.9.9.9")
    limiter.succeeded("9.9.9.9")
    fail(limiter, clock, FREE_OF_ALL * 2, lambda number: f"10.0.0.{number}")

    assert limiter.enter("9.9.9.9") == 0


def test_the_addresses_of_one_ipv6_network_are_one(limiter, clock):
    fail(limiter, clock, FREE, lambda number: f"2001:db8:0:1::{number:x}")

    assert limiter.enter("2001:db8:0:1:ffff::1") > 0
    assert limiter.enter("2001:db8:0:2::1") == 0
    fail(limiter, clock, FREE, lambda _: "::ffff:7.7.7.7")
    assert limiter.enter("7.7.7.7") > 0


def test_memory_is_bounded(limiter, clock):
    for number in range(3 * MOST_ADDRESSES):
        clock.advance(60)
        limiter.enter(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

    assert len(limiter._by_address) <= MOST_ADDRESSES
