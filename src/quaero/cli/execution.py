"""Executing a run in this process: until it has ended, or until a signal says to leave.

The first Ctrl-C cancels the run and goes on until it is cancelled; the second leaves at once. A request to end
(SIGTERM) drains: running jobs may finish, the rest is given back, and the run can be carried on later.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from quaero.cli import exits
from quaero.cli.output import say
from quaero.cli.progress import Progress, progress_for
from quaero.cli.run_tree import RunNode, read_forest
from quaero.errors import Refused, StoreUnavailable
from quaero.model.status import JobStatus

if TYPE_CHECKING:
    from quaero.app import App
    from quaero.queue.engine import Engine
    from quaero.queue.turn import Turn

T = TypeVar("T")

SHOW_EVERY_S: Final = 0.2
SHOW_FROM_SERVER_EVERY_S: Final = 0.5
LAST_WAIT_S: Final = 0.5
_ENDINGS: Final = (signal.SIGTERM, signal.SIGHUP)


def execute(app: App, run_id: int, *, quiet: bool = False) -> int:
    """Work on a run, and on nothing that does not belong to it; the exit code says how it ended."""
    progress = progress_for(quiet=quiet)
    try:
        with stdout_kept_clean():
            _heard_in_service_log(app)
            left_by = run_loop(Execution(app, run_id, progress).run())
    finally:
        progress.close()
    still_open = _open_runs(app, app.store.run(run_id).root_id)
    if left_by is not None and still_open:
        # Draining may have ended it all the same.
        say(f"run {still_open[0]} is not over; carry on with: quaero run --resume {still_open[0]}")
        return 128 + left_by
    return exit_code(app, run_id)


def exit_code(app: App, run_id: int) -> int:
    """Of a run that has ended."""
    match app.store.get_job(run_id).status:
        case JobStatus.COMPLETED:
            return exits.OK
        case JobStatus.CANCELLED:
            return exits.CANCELLED
    return exits.FAILED


class Execution:
    """One stay of this process with one run."""

    def __init__(self, app: App, run_id: int, progress: Progress) -> None:
        self._app = app
        self._run_id = run_id
        self._root = app.store.run(run_id).root_id
        self._progress = progress
        self._leave: asyncio.Future[int] | None = None
        self._cancelling: asyncio.Task[None] | None = None
        self._forest: list[RunNode] = []
        self._version: int | str = -1

    async def run(self) -> int | None:
        """None when all is over; else the signal that ended the stay."""
        engine = self._app.engine(roots=(self._root,))
        loop = asyncio.get_running_loop()
        self._leave = loop.create_future()
        self._listen(loop, engine)
        await engine.start()
        ended = asyncio.create_task(self._all_ended(engine))
        showing = asyncio.create_task(self._show(engine))
        try:
            waited_for: set[asyncio.Future[Any]] = {ended, self._leave}
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
                return None
            return self._leave.result()
        finally:
            for task in (ended, showing):
                task.cancel()
            await asyncio.gather(ended, showing, return_exceptions=True)
            await engine.stop(drain_s=0 if self._leaves_at_once() else None)
            self._show_once(engine)

    def _leaves_at_once(self) -> bool:
        assert self._leave is not None  # noqa: S101 - set before anything can ask
        return self._leave.done() and self._leave.result() == signal.SIGINT

    async def _all_ended(self, engine: Engine) -> None:
        """The run itself, then whatever its end has started."""
        await engine.finished(self._root)
        while still_open := _open_runs(self._app, self._root):
            await engine.finished(still_open[0])

    # signals

    def _listen(self, loop: asyncio.AbstractEventLoop, engine: Engine) -> None:
        loop.add_signal_handler(signal.SIGINT, self._interrupted, engine)
        for number in _ENDINGS:
            loop.add_signal_handler(number, self._asked_to_end, number)

    def _interrupted(self, engine: Engine) -> None:
        if self._cancelling is None and not self._is_leaving():
            say(f"cancelling run {self._run_id}; Ctrl-C again leaves at once")
            self._cancelling = asyncio.create_task(self._cancel(engine))
        else:
            self._asked_to_end(signal.SIGINT)

    def _asked_to_end(self, number: signal.Signals) -> None:
        assert self._leave is not None  # noqa: S101 - set before signals are listened to
        if self._leave.done():
            # Asked a second time while leaving: what runs here will be taken over as from a process that died.
            os._exit(128 + number)
        self._leave.set_result(number)

    def _is_leaving(self) -> bool:
        return self._leave is not None and self._leave.done()

    async def _cancel(self, engine: Engine) -> None:
        with suppress(StoreUnavailable):
            await engine.write(self._cancel_all)

    def _cancel_all(self, turn: Turn) -> None:
        for run in self._app.store.runs_of_root(self._root):
            # One that ended meanwhile needs no cancelling.
            with suppress(Refused):
                self._app.jobs.cancel(turn, run.id)

    # showing

    async def _show(self, engine: Engine) -> None:
        # A terminal that has gone away is no reason to stop working.
        with suppress(OSError):
            while True:
                # A server may take its time; the jobs here must not wait for it.
                await asyncio.to_thread(self._read)
                self._draw(engine)
                await asyncio.sleep(SHOW_EVERY_S if self._app.backend.is_alone else SHOW_FROM_SERVER_EVERY_S)

    def _show_once(self, engine: Engine) -> None:
        self._read()
        self._draw(engine)

    def _read(self) -> None:
        with suppress(StoreUnavailable):
            version = self._app.store.data_version()
            if version != self._version:
                self._forest = read_forest(self._app.store, self._root)
                self._version = version

    def _draw(self, engine: Engine) -> None:
        with suppress(OSError):
            self._progress.show(self._forest, str(engine.trouble) if engine.trouble else "")


def _open_runs(app: App, root_id: int) -> list[int]:
    return [run.id for run in app.store.runs_of_root(root_id) if not run.state.is_terminal]


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``, but a job that heeds no cancellation, or its thread, is not waited for."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        if left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=LAST_WAIT_S))
        asyncio.set_event_loop(None)
        if not asyncio.all_tasks(loop):
            loop.close()


@contextmanager
def stdout_kept_clean() -> Iterator[None]:
    """What workers and their child processes print goes to standard error: standard output is the result's."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _heard_in_service_log(app: App) -> None:
    """Warnings of the engine, above a live tree; jobs' own records go to their logs from ``info`` up."""
    import logging

    from quaero.queue.service_log import JobHandler, configure_service_log

    configure_service_log("info", masker=app.masker)
    for handler in logging.getLogger().handlers:
        if not isinstance(handler, JobHandler):
            handler.setLevel(logging.WARNING)
