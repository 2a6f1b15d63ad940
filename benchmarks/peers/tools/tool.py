"""What the measurement asks of a tool."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from pathlib import Path

URL = os.environ["PEER_URL"]
VARIANT = os.environ["PEER_VARIANT"]
LINE = "child done" * 8
"""The log line of a child."""


class Tool(ABC):
    """A job queue with three kinds of job: one that only ticks, a child that also writes a log line, and a parent."""

    poll_s = 0.02
    """How often its state is looked at, while nothing but that is waited for."""

    def prepare(self) -> None:  # noqa: B027 - most have something to prepare, not all
        """Makes tables and connections."""

    @abstractmethod
    def enqueue(self, jobs: int) -> None:
        """Jobs that only tick, by the fastest durable call there is."""

    def enqueued(self) -> None:  # noqa: B027 - few need it
        """Called between a large enqueue and the drain, outside of the times."""

    @abstractmethod
    def fan_out(self, children: int) -> None:
        """A parent with so many children."""

    @abstractmethod
    def parent_closed(self) -> bool:
        """Whether the parent is durably closed; where the fan-in is written by hand, this closes it."""

    @abstractmethod
    def log_lines(self) -> int: ...

    def unfinished(self) -> bool:
        """Whether a job lacks its final durable status. A tool that keeps none has nothing unfinished."""
        return False

    def command(self, fan_out: bool) -> list[str]:
        """Starts the one worker process."""
        del fan_out
        module = type(self).__module__.rpartition(".")
        return [sys.executable, "-m", module[0], module[2], "worker"]

    def work(self) -> None:
        """The worker process, of a tool that has no command for it."""
        raise NotImplementedError


def script(name: str) -> str:
    """A command of the environment."""
    return str(Path(sys.executable).with_name(name))
