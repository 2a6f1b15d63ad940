"""A process that executes all runs until a signal ends it, and tells of them on standard error."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from quaero.cli.output import say
from quaero.cli.progress import line_of
from quaero.errors import StoreUnavailable

if TYPE_CHECKING:
    from quaero.app import App
    from quaero.queue.engine import Engine

LOOK_EVERY_S: Final = 1.0
LONGEST_LOOK_S: Final = 15.0


class Beside(Protocol):
    """What runs beside the engine, in threads of its own. Its ``start`` may take a moment."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


async def work(app: App, make_beside: Callable[[Engine], Beside] | None = None) -> bool:
    """Until a signal asks for the end, or the node finds that it may work no longer (False); then drain."""
    engine = app.engine()
    beside = make_beside(engine) if make_beside else None
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, _asked_to_end, asked, number)
    try:
        await engine.start()
    except BaseException:
        if beside is not None:
            beside.stop()
        raise
    say(f"process {engine.process_id} executes the runs in {app.config.database}; Ctrl-C ends it")
    runs = OpenRuns(app, engine.changed)
    watching = asyncio.create_task(runs.watch())
    waiting = asyncio.create_task(asked.wait())
    retired = asyncio.create_task(engine.retired.wait())
    try:
        if beside is not None:
            await asyncio.to_thread(beside.start)
        await asyncio.wait({waiting, watching, retired}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
    finally:
        for task in (waiting, watching, retired):
            task.cancel()
        await asyncio.gather(waiting, watching, retired, return_exceptions=True)
        say("stopping: what runs may finish, the rest is given back; asked again, it leaves at once")
        if beside is not None:
            await asyncio.to_thread(beside.stop)
        await engine.stop()
        with suppress(StoreUnavailable):
            runs.look()
    return not engine.retired.is_set()


def _asked_to_end(asked: asyncio.Event, number: signal.Signals) -> None:
    if asked.is_set():
        # Asked a second time: what runs here will be taken over as from a process that died.
        os._exit(128 + number)
    asked.set()


class OpenRuns:
    """Tells of runs that begin or end, whichever process works on them."""

    def __init__(self, app: App, changed: asyncio.Event) -> None:
        self._store = app.store
        self._changed = changed
        self._known: set[int] = set()

    async def watch(self) -> None:
        """Looks when something may have changed, once a second at most; else now and then."""
        while True:
            self._changed.clear()
            try:
                await asyncio.to_thread(self.look)
            except StoreUnavailable:
                self._changed.set()
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), LONGEST_LOOK_S)

    def look(self) -> None:
        """One line per change since the last look."""
        now_open = set(self._store.open_runs())
        for run_id in sorted(now_open - self._known):
            run = self._store.run(run_id)
            say(f"run {run_id} of {run.definition_id} is {run.state.status}")
        for run_id in sorted(self._known - now_open):
            say(line_of(self._store.get_job(run_id)))
        self._known = now_open
