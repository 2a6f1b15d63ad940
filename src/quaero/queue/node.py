"""Who this process is, whether another one is still there, and what time it is."""

from __future__ import annotations

import os
import socket
import time
from importlib.metadata import version
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"
_BOOT_TIME_STEP_S = 10
"""A boot time that is worked out from two clocks is only this exact."""


class NodeIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What tells one process from every other, on any host and at any time. Empty or None: not known."""

    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    started: int | None
    """When the process began, in the kernel's ticks since boot."""
    version: str


def this_node() -> NodeIdentity:
    """The identity of the process that asks; ask again after a fork."""
    pid = os.getpid()
    state = _stat(pid)
    return NodeIdentity(
        host=socket.gethostname(),
        boot_id=_boot_id(),
        pid_namespace=_pid_namespace(),
        pid=pid,
        started=state[1] if state else None,
        version=version("quaero"),
    )


def is_gone(node: NodeIdentity) -> bool | None:
    """Whether that process has ended: True for sure, False when it is alive, None when it can't be told from here."""
    here = this_node()
    if (node.host, node.boot_id, node.pid_namespace) != (here.host, here.boot_id, here.pid_namespace):
        return None
    if os.name != "posix" or not node.boot_id or node.pid <= 0:
        return None
    if not _exists(node.pid):
        return True
    state = _stat(node.pid)
    if state is None or node.started is None:
        return None
    letter, started = state
    return letter in "ZX" or started != node.started


class SystemClock:
    """The wall clock as it was at the start, carried on by one that only goes forward.

    Time set on the machine meanwhile does nothing; where the system has such a clock, time asleep counts.
    """

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - _steady_ns()

    def now(self) -> int:
        return (self._offset_ns + _steady_ns()) // 1000

    def follow(self, now: int) -> None:
        """From now on it goes with the clock that says ``now`` (µs since 1970): a server's, for all nodes."""
        self._offset_ns = now * 1000 - _steady_ns()


def lease_clock_us() -> int:
    """A clock that all processes of this boot share and nobody can set: what leases are measured by."""
    return _steady_ns() // 1000


def _steady_ns() -> int:
    return time.monotonic_ns() if _BOOT_CLOCK is None else time.clock_gettime_ns(_BOOT_CLOCK)


_BOOT_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        booted = (time.time_ns() - _steady_ns()) // 1_000_000_000
        return f"booted-{booted - booted % _BOOT_TIME_STEP_S}"


def _pid_namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stat(pid: int) -> tuple[str, int] | None:
    """State letter and start time (field 22) of a process; None where the system doesn't say.

    Source: proc_pid_stat(5). The name in the second field may hold spaces and parentheses.
    """
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])
