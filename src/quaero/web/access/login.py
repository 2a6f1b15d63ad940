"""Login: signing in with the password, not too often."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

import msgspec
from starlette.concurrency import run_in_threadpool

from quaero.model.access import Scope
from quaero.ports.access import Passwords
from quaero.ports.clock import Clock
from quaero.web.access.identity import LOCAL, OWNER, Access
from quaero.web.access.passwords import LONGEST, is_password
from quaero.web.access.sessions import Sessions

FREE: Final = 3
"""Failures of one address before it has to wait."""
FREE_OF_ALL: Final = 20
LONGEST_WAIT_S: Final = 900.0
LONGEST_WAIT_OF_ALL_S: Final = 30.0
FORGET_S: Final = 3600.0
MOST_ADDRESSES: Final = 1_000
MOST_KNOWN: Final = 64
AT_ONCE: Final = 2
"""Passwords that are compared at the same time: each takes 64 MiB."""
_MICROS: Final = 1_000_000


class _Failures(NamedTuple):
    number: int
    last: int


_NONE: Final = _Failures(0, 0)


class LoginLimiter:
    """How long the next attempt has to wait: the time doubles with every failure, of an address and of all together.

    An address that has signed in before is not held up by the failures of others. Holds a bounded number of addresses;
    the one that failed longest ago is forgotten first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_address: OrderedDict[str, _Failures] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._all = _NONE

    def enter(self, address: str) -> float:
        """Seconds to wait, or 0: go ahead. It counts as a failure until :meth:`succeeded` says otherwise."""
        address, now = _network(address), self._clock.now()
        own = self._current(self._by_address.get(address, _NONE), now)
        everybody = self._current(self._all, now)
        wait = _wait(own, FREE, LONGEST_WAIT_S, now)
        if address not in self._known:
            wait = max(wait, _wait(everybody, FREE_OF_ALL, LONGEST_WAIT_OF_ALL_S, now))
        if wait > 0:
            return wait
        self._by_address[address] = _Failures(own.number + 1, now)
        self._by_address.move_to_end(address)
        while len(self._by_address) > MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        self._all = _Failures(everybody.number + 1, now)
        return 0.0

    def succeeded(self, address: str) -> None:
        address = _network(address)
        self._by_address.pop(address, None)
        self._all = self._all._replace(number=max(0, self._all.number - 1))
        self._known[address] = None
        self._known.move_to_end(address)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    @staticmethod
    def _current(failures: _Failures, now: int) -> _Failures:
        return _NONE if now - failures.last > FORGET_S * _MICROS else failures


class SignIn(NamedTuple):
    """How an attempt went: ``cookie`` for ``Set-Cookie``; empty: refused, after ``wait_s`` it may be tried again."""

    cookie: str = ""
    wait_s: float = 0.0


class WhoAmI(msgspec.Struct, frozen=True, kw_only=True):
    """Who the server takes the caller for."""

    actor: str
    scope: Scope | None
    signed_in: bool
    """With the password: there is something to sign out of."""
    has_password: bool


class Login:
    """Signs people in and out. There is one password and no user name, so there is nothing to guess but that."""

    def __init__(self, *, passwords: Passwords, sessions: Sessions, clock: Clock) -> None:
        self._passwords = passwords
        self._sessions = sessions
        self._limiter = LoginLimiter(clock)
        self._places = asyncio.Semaphore(AT_ONCE)

    async def sign_in(self, password: str, access: Access) -> SignIn:
        """Raises StoreUnavailable where the password can't be looked up."""
        if wait := self._limiter.enter(access.address):
            return SignIn(wait_s=wait)
        async with self._places:
            stored = await run_in_threadpool(self._passwords.password)
            given = password[:LONGEST]
            is_right = await run_in_threadpool(is_password, given, stored.hash if stored else None)
        if stored is None or not is_right or len(password) > LONGEST:
            return SignIn()
        self._limiter.succeeded(access.address)
        session = self._sessions.begin(stored.generation)
        return SignIn(cookie=self._sessions.cookie(session, is_secure=access.is_secure))

    def sign_out(self, access: Access) -> str:
        """For ``Set-Cookie``."""
        return self._sessions.ended(is_secure=access.is_secure)

    def who(self, access: Access) -> WhoAmI:
        return WhoAmI(
            actor=access.actor or LOCAL,
            scope=access.scope,
            signed_in=access.actor == OWNER,
            has_password=self._passwords.password() is not None,
        )


def _wait(failures: _Failures, free: int, longest: float, now: int) -> float:
    if failures.number < free:
        return 0.0
    delay = min(longest, 2.0 ** min(failures.number - free, 30))
    return max(0.0, delay - (now - failures.last) / _MICROS)


def _network(address: str) -> str:
    """What one client can be told by: an IPv4 address, or the 64 bits of an IPv6 address that it can't choose."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:100]
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else found.exploded[:19]
    return str(found)
