"""Wake-up between processes: "look again", nothing more. It shortens a wait; nothing depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from quaero.ports.jobs import ProcessRow


class WakeUp(Protocol):
    """One process's end of it."""

    @property
    def port(self) -> int:
        """Where this process listens, for those who tell by port; else 0."""
        ...

    async def open(self, woken: Callable[[], None]) -> None:
        """From now on ``woken`` is called in this event loop."""
        ...

    def knows(self, processes: Callable[[], Iterable[ProcessRow]]) -> None:
        """Who is there now, for those who tell by port; others don't ask."""
        ...

    def tell(self) -> None:
        """All others; from any thread, never waits."""
        ...

    def close(self) -> None: ...
