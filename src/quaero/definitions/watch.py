"""FolderWatch: tells when the definitions of a folder change, by looking at its files once a second."""

from __future__ import annotations

import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from quaero.definitions.files import Stamp, scan

log = structlog.get_logger("quaero.definitions")

QUICK_S = 1.0
SLOW_S = 1.4
"""Between two looks where nothing has changed for a while."""
QUIET_LOOKS = 60
"""So many, before it looks less often."""
WRITING_S = 0.5
"""A changed file that is empty, or no TOML, may be half written: it gets so long before it is told of."""
WRITING_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Changes:
    """Relative paths of files, by what became of them."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Changes()


def compare(before: Mapping[str, Stamp], after: Mapping[str, Stamp]) -> Changes:
    return Changes(
        added=tuple(name for name in after if name not in before),
        changed=tuple(name for name in after if name in before and before[name] != after[name]),
        removed=tuple(name for name in before if name not in after),
    )


class FolderWatch:
    """Calls ``changed`` within two seconds of a change, from a thread of its own."""

    def __init__(self, folder: Path, changed: Callable[[], None], *, quick_s: float = QUICK_S) -> None:
        self._folder = folder
        self._changed = changed
        self._quick_s = quick_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_readable = True

    def start(self) -> None:
        """What changes from now on is told."""
        seen = self._scan({})
        self._thread = threading.Thread(target=self._watch, args=(seen,), name="definitions", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """When this returns, ``changed`` is not called any more (unless it is what calls this)."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _watch(self, seen: Mapping[str, Stamp]) -> None:
        quiet = 0
        while not self._stop.wait(self._quick_s if quiet < QUIET_LOOKS else max(SLOW_S, self._quick_s)):
            now = self._scan(seen)
            if not compare(seen, now):
                quiet += 1
                continue
            quiet = 0
            seen = self._when_written(seen, now)
            if self._stop.is_set():
                return
            try:
                self._changed()
            except Exception as error:
                log.exception("definitions.change_not_taken", folder=str(self._folder), error=type(error).__name__)

    def _when_written(self, seen: Mapping[str, Stamp], now: Mapping[str, Stamp]) -> Mapping[str, Stamp]:
        """Look again and again while a changed file is half written."""
        end = time.monotonic() + WRITING_S
        while time.monotonic() < end and self._is_half_written(compare(seen, now)):
            if self._stop.wait(WRITING_LOOK_S):
                break
            now = self._scan(now)
        return now

    def _is_half_written(self, changes: Changes) -> bool:
        return not all(_is_whole(self._folder / name) for name in (*changes.added, *changes.changed))

    def _scan(self, before: Mapping[str, Stamp]) -> Mapping[str, Stamp]:
        """As before, where the folder can't be read now."""
        try:
            found = scan(self._folder)
        except OSError as error:
            if self._is_readable:
                log.warning("definitions.unreadable", folder=str(self._folder), error=error.strerror)
            self._is_readable = False
            return before
        self._is_readable = True
        return found


def _is_whole(file: Path) -> bool:
    try:
        return bool(tomllib.loads(file.read_text(encoding="utf-8-sig")))  # an empty file is about to be written
    except FileNotFoundError:  # nothing to wait for
        return True
    except (ValueError, RecursionError, OSError):
        return False
