"""Wake-up between the nodes of one database: NOTIFY, which says "look again" and nothing more.

Each process keeps one connection for it, in a thread of its own: calls go out there, outside any transaction that
writes data, a few together; calls of others come in there. Nothing depends on it: a process also looks by itself.
"""

from __future__ import annotations

import asyncio
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from random import Random
from typing import Any, Final

import psycopg
import structlog

from quaero.errors import StoreUnavailable
from quaero.ports.jobs import ProcessRow
from quaero.storage.postgres import PostgresDatabase, placeholders
from quaero.storage.statements import statements

QUIET_S: Final = 0.02
"""Between two calls of one process; the first goes out at once."""
FIRST_NAP_S: Final = 0.2
LONGEST_NAP_S: Final = 15.0
"""Between two attempts to connect again."""
LEAVE_S: Final = 2.0
"""How long a process that ends waits for its last call."""
_SESSION: Final = "SET jit = off;"
_ANYBODY: Final = "-"

log = structlog.get_logger("quaero.wake_up")


class PostgresWakeUp:
    """See :class:`quaero.ports.wakeup.WakeUp`. Needs a direct connection: behind a pooler that shares them between
    transactions, calls of others do not come in.
    """

    port = 0

    def __init__(self, database: PostgresDatabase) -> None:
        self._server = database.server
        self._sql = statements("postgres", "wakeup")
        self._name = secrets.token_hex(8)
        self._random = Random()  # noqa: S311 - jitter, not a secret
        self._poker: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: Callable[[], None] = lambda: None
        self._is_waking = False
        self._is_asked = False
        self._is_closing = False
        self._next_call = 0.0
        self._thread: threading.Thread | None = None

    async def open(self, woken: Callable[[], None]) -> None:
        """Returns at once; ``woken`` is called when the connection stands, too: something may have been missed."""
        self._loop = asyncio.get_running_loop()
        self._woken = woken
        poked, self._poker = socket.socketpair()
        poked.setblocking(False)
        self._poker.setblocking(False)
        self._thread = threading.Thread(target=self._live, args=(poked,), name="quaero-wake-up", daemon=True)
        self._thread.start()

    def knows(self, processes: Callable[[], Iterable[ProcessRow]]) -> None:
        """The server knows who listens."""

    def tell(self) -> None:
        if not self._is_asked:
            self._is_asked = True
            self._poke()

    def close(self) -> None:
        """What was to be told is told, if that takes no longer than a moment."""
        self._is_closing = True
        self._poke()
        if self._thread is not None:
            self._thread.join(LEAVE_S)
        if self._poker is not None:
            self._poker.close()

    def _poke(self) -> None:
        # Full: the thread will look anyway. Closed: it has ended.
        if self._poker is not None:
            with suppress(OSError):
                self._poker.send(b"x")

    # in the thread

    def _live(self, poked: socket.socket) -> None:
        nap = FIRST_NAP_S
        is_told = False
        with poked:
            while not self._is_closing:
                try:
                    db = self._server.connect(_SESSION)
                except StoreUnavailable as error:
                    lost: Exception = error
                else:
                    nap = FIRST_NAP_S
                    if is_told:
                        log.info("wake_up.again")
                        is_told = False
                    try:
                        self._serve(db, poked)
                    except psycopg.Error as error:
                        lost = self._server.translation(error)
                    else:
                        return
                    finally:
                        db.close()
                if not is_told:
                    log.warning("wake_up.lost", error=str(lost))
                    is_told = True
                self._sleep(nap * self._random.uniform(0.5, 1.0), poked)
                nap = min(nap * 2, LONGEST_NAP_S)

    def _serve(self, db: psycopg.Connection[Any], poked: socket.socket) -> None:
        """Until this process leaves; raises what the driver says when the connection is lost."""
        db.add_notify_handler(lambda note: self._heard(note.payload))
        with self._server.watched(db):
            db.execute(self._sql["listen"].encode())
        self._wake()
        wire = db.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(wire, selectors.EVENT_READ)
            selector.register(poked, selectors.EVENT_READ)
            while True:
                ready = [key.fd for key, _ in selector.select(self._until_next_call())]
                if poked.fileno() in ready:
                    _drain(poked)
                if wire in ready:
                    self._listen(db)
                # Read once, and first: what was asked for before the end is still told.
                is_last = self._is_closing
                if self._is_asked and (is_last or time.monotonic() >= self._next_call):
                    self._call(db)
                if is_last:
                    return

    def _until_next_call(self) -> float | None:
        return max(0.0, self._next_call - time.monotonic()) if self._is_asked else None

    def _listen(self, db: psycopg.Connection[Any]) -> None:
        db.pgconn.consume_input()
        while (note := db.pgconn.notifies()) is not None:
            self._heard(note.extra.decode())

    def _call(self, db: psycopg.Connection[Any]) -> None:
        # Before it is sent: whoever asks from now on asks for another one.
        self._is_asked = False
        self._next_call = time.monotonic() + QUIET_S
        try:
            with self._server.watched(db):
                db.execute(placeholders(self._sql["tell"]), {"caller": self._name})
        except psycopg.Error:
            self._is_asked = True
            raise

    def _heard(self, caller: str) -> None:
        if caller != self._name:
            self._wake()

    def _wake(self) -> None:
        if self._loop is None or self._is_waking:
            return
        self._is_waking = True
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wake_in_loop)

    def _wake_in_loop(self) -> None:
        # Before it looks: what comes from now on is worth another look.
        self._is_waking = False
        if not self._is_closing:
            self._woken()

    def _sleep(self, nap: float, poked: socket.socket) -> None:
        """Cut short when this process leaves; calls wait until there is a connection."""
        end = time.monotonic() + nap
        with selectors.DefaultSelector() as selector:
            selector.register(poked, selectors.EVENT_READ)
            while not self._is_closing and (left := end - time.monotonic()) > 0:
                if selector.select(left):
                    _drain(poked)


def _drain(poked: socket.socket) -> None:
    with suppress(BlockingIOError):
        while poked.recv(4096):
            pass


def notify_once(database: PostgresDatabase) -> None:
    """For a command that changes something and ends."""
    # Nobody is told: they look by themselves.
    with suppress(StoreUnavailable, psycopg.Error):
        db = database.server.connect(_SESSION)
        try:
            db.execute(placeholders(statements("postgres", "wakeup")["tell"]), {"caller": _ANYBODY})
        finally:
            db.close()
