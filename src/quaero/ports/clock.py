"""Time, as the engine sees it."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Microseconds since 1970 UTC; never goes back within a process."""
        ...
