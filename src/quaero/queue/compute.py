"""CPU-bound work in child processes, which end with this one.

Each child has a thread here that talks to it over a pipe of its own. The standard library's process pool is
not used: one child that dies there fails every call that is under way, a child killed while it sends a large
result hangs the pool for good, and a call that nobody waits for any more can't be stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

from quaero.errors import TransientError

P = ParamSpec("P")
T = TypeVar("T")

_PR_SET_PDEATHSIG = 1
_SPAWN = multiprocessing.get_context("spawn")
"""A forked child would inherit the locks of our threads in whatever state they are."""


class ProcessCompute:
    """Runs functions in up to ``processes`` children, each started when first needed.

    Keeps no order between calls and repeats none: a child that dies fails its own call and is replaced. For one
    event loop at a time; close it when the loop ends.
    """

    def __init__(self, processes: int) -> None:
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="quaero-compute")
        self._own = threading.local()
        self._lock = threading.Lock()
        self._children: set[_Child] = set()
        self._closed = False

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result. Cancelling the caller ends a call that runs, with its child.

        Raises:
            TransientError: the child died under this call (crashed, killed, out of memory), or this is closed.
            Exception: whatever the function raised, with its traceback there as a note.
        """
        if self._closed:
            raise TransientError(f"{_name(function)}: can't be run any more, this process is stopping")
        call = _Call(function, args, kwargs)
        future = self._threads.submit(self._perform, call)
        try:
            return cast("T", await asyncio.wrap_future(future))
        except asyncio.CancelledError:
            call.abandon()
            raise

    def close(self) -> None:
        """End all children now; calls under way fail. Waits until they are gone."""
        with self._lock:
            self._closed = True
            for child in self._children:
                child.kill()
        self._threads.shutdown(wait=True)
        for child in self._children:
            child.discard()
        self._children.clear()

    def _perform(self, call: _Call) -> Any:
        """One call from start to end, in the thread of a child."""
        child = self._child(call)
        if not call.begin(child):
            return None
        try:
            is_result, value = child.ask(call)
        except (EOFError, OSError) as error:
            self._own.child = None
            call.end()
            with self._lock:
                self._children.discard(child)
            raise TransientError(f"{_name(call.function)}: its process {child.discard()}") from error
        finally:
            call.end()
        if is_result:
            return value
        raise cast("BaseException", value)

    def _child(self, call: _Call) -> _Child:
        child: _Child | None = getattr(self._own, "child", None)
        if child is None:
            with self._lock:
                if self._closed:
                    raise TransientError(f"{_name(call.function)}: can't be run any more, this process is stopping")
                child = self._own.child = _Child()
                self._children.add(child)
        return child


class _Answer(NamedTuple):
    is_result: bool
    value: Any
    """The result, or else the exception."""


class _Call:
    """A function to run, which its caller may give up at any time."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._abandoned = False

    def begin(self, child: _Child) -> bool:
        """False when nobody wants the result any more."""
        with self._lock:
            if not self._abandoned:
                self._child = child
            return not self._abandoned

    def end(self) -> None:
        """The child may serve another call from here on; it is no longer this one's to kill."""
        with self._lock:
            self._child = None

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            if self._child is not None:
                self._child.kill()


class _Child:
    """A child process and our end of its pipe. ``ask`` and ``discard`` are for one thread at a time."""

    def __init__(self) -> None:
        self._connection, theirs = _SPAWN.Pipe()
        # A daemon: it must not keep the interpreter from ending. It dies with the thread that starts it
        # (PR_SET_PDEATHSIG goes by thread), which is the one that talks to it.
        self._process = _SPAWN.Process(target=_serve, args=(theirs,), name="quaero-compute", daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, call: _Call) -> _Answer:
        """Raises EOFError or OSError when the child is gone."""
        self._connection.send((call.function, call.args, call.kwargs))
        is_result, value = self._connection.recv()
        return _Answer(is_result, value)

    def kill(self) -> None:
        self._process.kill()

    def discard(self) -> str:
        """See the child out; returns how it ended, for a message."""
        self._process.kill()
        self._process.join()
        code = self._process.exitcode or 0
        self._process.close()
        self._connection.close()
        if code >= 0:
            return f"ended by itself (exit code {code})"
        hint = "; is memory short?" if code == -signal.SIGKILL else ""
        return f"was killed by {signal.Signals(-code).name}{hint}"


def _name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__qualname__", None)
    return f"{function.__module__}.{name}" if name else repr(function)


def _serve(connection: Connection) -> None:
    """The life of a child: answer calls until the parent closes its end."""
    # Ctrl-C reaches the whole group; when the work ends is the parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    while True:
        try:
            request = connection.recv_bytes()
        except (EOFError, OSError):
            return
        connection.send_bytes(_answered(request))


def _answered(request: bytes) -> bytes:
    """The pickled answer to a pickled request."""
    try:
        function, args, kwargs = pickle.loads(request)  # noqa: S301 - comes from our parent, over its pipe
        return pickle.dumps((True, function(*args, **kwargs)), pickle.HIGHEST_PROTOCOL)
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller on the other side
        return pickle.dumps((False, _portable(error)), pickle.HIGHEST_PROTOCOL)


def _portable(error: BaseException) -> Exception:
    """``error`` as it can travel and be raised over there: itself if possible, else one that tells of it."""
    story = f"In the child process:\n{''.join(traceback.format_exception(error)).rstrip()}"
    # SystemExit and its like would end the parent; StopIteration can't be raised out of a coroutine.
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        error.add_note(story)
        with contextlib.suppress(Exception):
            if type(pickle.loads(pickle.dumps(error))) is type(error):  # noqa: S301 - our own bytes
                return error
    substitute = RuntimeError(f"{type(error).__qualname__}: {error}")
    substitute.add_note(story)
    return substitute


def _end_with_parent() -> None:
    """The kernel ends us with our parent where it can do that; elsewhere a thread watches for it.

    Both, because the first is for Linux only and the second needs the interpreter's lock.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch_parent, name="parent-watch", daemon=True).start()


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
