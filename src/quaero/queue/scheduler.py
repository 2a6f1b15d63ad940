"""Scheduler: one task of the engine that waits for the next slot and fires it, while this process leads.

It sleeps until then, or until somebody tells of a change: an idle process asks the store once a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import structlog

from quaero.errors import StoreUnavailable
from quaero.ports.clock import Clock
from quaero.ports.schedules import NewFire, ScheduleReader
from quaero.queue.schedules import Fired, Schedules
from quaero.queue.turn import Turn

log = structlog.get_logger("quaero.scheduler")

LONGEST_WAIT_S: Final = 60.0
"""Clocks are set, and computers sleep."""
SHORTEST_WAIT_S: Final = 0.2
"""Between two looks, however often it is called."""

Write = Callable[[Callable[[Turn], Any]], Awaitable[Any]]
Read = Callable[[Callable[[], int | None], int | None], Awaitable[int | None]]


class Scheduling(NamedTuple):
    """What an engine is handed to fire schedules."""

    rules: Schedules
    store: ScheduleReader


class Leader(Protocol):
    """The node, as it knew at its last sign of life."""

    @property
    def process_id(self) -> int: ...
    @property
    def term(self) -> int: ...
    @property
    def is_draining(self) -> bool: ...


class Scheduler:
    """Run it as a task; call ``look`` when a schedule, or who leads, may have changed."""

    def __init__(
        self, scheduling: Scheduling, leader: Leader, clock: Clock, write: Write, read: Read, *, needs_others: bool
    ) -> None:
        self._rules = scheduling.rules
        self._store = scheduling.store
        self._leader = leader
        self._clock = clock
        self._write = write
        self._read = read
        self._needs_others = needs_others
        self._called = asyncio.Event()

    def look(self) -> None:
        self._called.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            wait_s = LONGEST_WAIT_S
            try:
                if self._leader.term and not self._leader.is_draining:
                    wait_s = await self._fire()
            except StoreUnavailable as error:
                log.warning("scheduler.put_off", error=str(error))
            except Exception:
                log.exception("scheduler.failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._called.wait()
            await asyncio.sleep(SHORTEST_WAIT_S)
            self._called.clear()

    async def _fire(self) -> float:
        """Fire all that is due; how long to wait for more."""
        next_at = await self._read(self._store.next_at, None)
        while next_at is not None and next_at <= self._clock.now():
            leader = self._leader
            fire = partial(
                self._rules.fire_due,
                process_id=leader.process_id,
                term=leader.term,
                needs_others=self._needs_others,
            )
            fired: Fired = await self._write(fire)
            next_at = fired.next_at
            if not fired.progress:
                # The store's clock may be behind; or there is nobody to work on it.
                return LONGEST_WAIT_S if next_at is None or next_at <= self._clock.now() else self._until(next_at)
        return LONGEST_WAIT_S if next_at is None else self._until(next_at)

    def _until(self, next_at: int) -> float:
        return min(LONGEST_WAIT_S, max(0.0, (next_at - self._clock.now()) / 1e6))


async def auto_start(scheduling: Scheduling, home: str, started_at: int, write: Write) -> list[NewFire]:
    """Start what comes with a program that serves the folder ``home``, once for each ``started_at`` (µs)."""
    definitions = await asyncio.to_thread(scheduling.store.auto_starts, home)
    found = [
        await write(partial(scheduling.rules.auto_start, definition_id=d, started_at=started_at)) for d in definitions
    ]
    return [fire for fire in found if fire is not None]


async def backfill(scheduling: Scheduling, definition_id: str, since: int, until: int, write: Write) -> list[NewFire]:
    """All of :meth:`Schedules.backfill`, a few runs a turn. Raises what it raises."""
    fires: list[NewFire] = []
    left = 1
    while left:
        part = await write(partial(scheduling.rules.backfill, definition_id=definition_id, since=since, until=until))
        fires += part.fires
        left = part.left
    return fires
