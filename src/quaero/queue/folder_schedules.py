"""FolderSchedules: keeps the schedules in the store as the definitions folder of this host says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from quaero.definitions.files import Library
from quaero.definitions.folder import DefinitionFolder
from quaero.definitions.watch import FolderWatch
from quaero.errors import QuaeroError
from quaero.model.definition import JobDefinition
from quaero.ports.clock import Clock
from quaero.queue.scheduler import Scheduling, Write, auto_start
from quaero.queue.schedules import Synced
from quaero.queue.turn import Turn

log = structlog.get_logger("quaero.schedules")

RETRY_S = 5.0


class FolderSchedules:
    """Start it in the event loop that it is to work in."""

    def __init__(self, folder: DefinitionFolder, scheduling: Scheduling, host: str, clock: Clock, write: Write) -> None:
        self._folder = folder
        self._scheduling = scheduling
        self._home = f"{host}:{folder.path}"
        self._clock = clock
        self._write = write
        self._watch = FolderWatch(folder.path, self.changed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._called = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def changed(self) -> None:
        """Look at the folder soon. From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._called.set)

    async def start(self) -> None:
        """Look at the folder now and whenever it changes; start once what is to come with this program."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run())
        self._watch.start()

    async def stop(self) -> None:
        self._loop = None
        await asyncio.to_thread(self._watch.stop)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        started_at = self._clock.now()
        has_started = False
        while True:
            self._called.clear()
            try:
                await self.sync()
                if not has_started:
                    await auto_start(self._scheduling, self._home, started_at, self._write)
                    has_started = True
            except QuaeroError as error:
                log.warning("schedules.put_off", folder=str(self._folder.path), error=str(error))
            except Exception:
                log.exception("schedules.failed", folder=str(self._folder.path))
            else:
                await self._called.wait()
                continue
            await asyncio.sleep(RETRY_S)

    async def sync(self) -> None:
        """Take over what the folder holds now."""
        _tell(await self._write(await asyncio.to_thread(self.command)))

    def command(self) -> Callable[[Turn], Synced]:
        """The turn that takes over what the folder holds now."""
        library, broken = self._read()
        return partial(self._scheduling.rules.sync, home=self._home, library=library, broken=broken)

    def _read(self) -> tuple[Library, set[str]]:
        library: dict[str, tuple[JobDefinition, str]] = {}
        broken: set[str] = set()
        for definition_id, found in self._folder.runnables().items():
            if found is None:
                broken.add(definition_id)
            else:
                library[definition_id] = (found.definition, found.source)
                library.update(found.library)
        return library, broken


def _tell(synced: Synced) -> None:
    for name, reason in synced.refused.items():
        log.warning("schedule.refused", definition=name, reason=reason)
    for name in synced.changed:
        log.info("schedule.changed", definition=name)
    for name in synced.stopped:
        log.info("schedule.stopped", definition=name)
