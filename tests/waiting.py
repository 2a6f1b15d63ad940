"""Waiting for something that another process or thread does, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.01


def wait_until(predicate: Callable[[], T], timeout: float = 10.0) -> T:
    """The predicate's first true answer; AssertionError when none came within ``timeout`` seconds."""
    end = time.monotonic() + timeout
    nap = Event()
    while not (answer := predicate()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {predicate}")
        nap.wait(POLL_S)
    return answer
