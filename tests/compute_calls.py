"""Functions that tests run in child processes, and a program whose children must not outlive it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

from quaero.errors import RetryAfter
from quaero.queue.compute import ProcessCompute


class Unportable(Exception):
    """Pickles, but can't be read back."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


def product(left: int, right: int = 2) -> int:
    return left * right


def pid() -> int:
    return os.getpid()


def pid_after(event_file: str) -> int:
    """Tells its pid through the file's folder, then ends when the file is there."""
    path = Path(event_file)
    (path.parent / f"{os.getpid()}.pid").touch()
    nap = threading.Event()
    while not path.exists():
        nap.wait(0.01)
    return os.getpid()


def block(folder: str, *, without_signal: bool = False) -> None:
    """Tells its pid and never ends; ``without_signal``: as on a system whose kernel doesn't end us."""
    if without_signal:
        ctypes.CDLL(None).prctl(1, 0)
    (Path(folder) / f"{os.getpid()}.pid").touch()
    threading.Event().wait()


def die(signal_number: int | None = None) -> None:
    if signal_number is None:
        os._exit(3)
    os.kill(os.getpid(), signal_number)


def fail(error: BaseException) -> None:
    raise error


def fail_unportably() -> None:
    raise Unportable("a", "b")


def retry_later() -> None:
    raise RetryAfter(timedelta(minutes=2), "busy")


def unpicklable_result() -> Any:
    return threading.Lock()


def text_of(size: int) -> str:
    return "x" * size


def ignores_interrupt() -> bool:
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


async def _leave_children(folder: str) -> None:
    compute = ProcessCompute(3)
    calls = [
        asyncio.ensure_future(compute.run(block, folder)),
        asyncio.ensure_future(compute.run(block, folder, without_signal=True)),
    ]
    idle = await compute.run(pid)
    (Path(folder) / f"{idle}.pid").touch()
    await asyncio.wait(calls)


if __name__ == "__main__":
    asyncio.run(_leave_children(sys.argv[1]))
