"""Reading one batch of files, in a thread: each becomes text or the reason why not."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from quaero.calc.text_decoding import DecodedText, decode_marked, is_binary


class Wanted(NamedTuple):
    """A file to look at, and what is known of it."""

    path: str
    size: int
    mtime_ns: int
    is_synced: bool
    """The store holds just this size and time: only look whether they still hold."""


class Unchanged(NamedTuple):
    pass


class Skipped(NamedTuple):
    """On purpose: there is nothing in it for us."""

    reason: str


class Failed(NamedTuple):
    """It should have been read."""

    reason: str
    is_vanished: bool = False
    is_lasting: bool = True
    """False when another attempt may go better (an I/O error)."""


class Content(NamedTuple):
    size: int
    mtime_ns: int
    data: bytes
    text: DecodedText | None
    """None when the encoding has to be found out."""


Reading = Unchanged | Skipped | Failed | Content


def read_files(
    base: str,
    files: Sequence[Wanted],
    *,
    max_file_size: int,
    follow_links: bool,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[Reading]:
    """One reading per file, in order; stops early, with fewer, when the job is cancelled."""
    readings: list[Reading] = []
    for file in files:
        if is_cancelled():
            break
        try:
            readings.append(_read(Path(base, file.path), file, max_file_size, follow_links=follow_links))
        except (FileNotFoundError, NotADirectoryError):
            readings.append(Failed("vanished since the folder was listed", is_vanished=True))
        except OSError as error:
            readings.append(Failed(error.strerror or str(error), is_lasting=isinstance(error, PermissionError)))
    return readings


def is_file(path: str) -> bool | None:
    """Whether a regular file is there, itself or behind a link; None when that can't be seen."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - Path.is_file hides why it says no
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return None


def _read(path: Path, file: Wanted, max_file_size: int, *, follow_links: bool) -> Reading:
    before = path.stat() if follow_links else path.lstat()
    if not stat.S_ISREG(before.st_mode):
        return Skipped("not a regular file any more")
    if file.is_synced and (before.st_size, before.st_mtime_ns) == (file.size, file.mtime_ns):
        return Unchanged()
    if before.st_size > max_file_size:
        return Skipped(f"larger than max_file_size ({before.st_size} > {max_file_size} bytes)")
    with path.open("rb") as opened:
        data = opened.read(max_file_size + 1)
    if len(data) > max_file_size:
        return Skipped(f"grew beyond max_file_size ({max_file_size} bytes) while it was read")
    text = decode_marked(data)
    if text is None and is_binary(data):
        return Skipped("binary")
    # The time from before the read: when the file changes meanwhile, the next run sees a newer one.
    return Content(before.st_size, before.st_mtime_ns, data, text)
