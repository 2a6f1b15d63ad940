"""Session: what every command is handed. Knows where the data lie; opens them when a command asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from quaero.app import App
    from quaero.config import Config


class Session:
    """The data folder of one call of ``quaero``. The imports are late: help must not wait for the engine."""

    def __init__(self, data: Path | None = None) -> None:
        self._data = data

    @cached_property
    def config(self) -> Config:
        from quaero.config import load

        return load(self._data)

    @contextmanager
    def app(self) -> Iterator[App]:
        """Everything, opened; the data folder is made where there is none."""
        from quaero.app import opened
        from quaero.queue.service_log import configure_service_log

        with opened(self.config) as app:
            configure_service_log("warning", masker=app.masker)
            yield app


Here = Annotated[Session, Parameter(parse=False)]
"""A command's parameter that the launcher fills in."""
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.")]
