"""Files that are whole at any time: written beside, then moved into their place. Also after a power cut."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quaero.errors import Refused, StoreUnavailable

_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)


def create_file(file: Path, data: bytes) -> None:
    """A new file, for this user alone; its folders are made where there are none.

    Raises:
        Refused: the file is there already, or must not be written; StoreUnavailable: it can't be.
    """
    with _told(file):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = _write_beside(file, data, mode=0o600)
        try:
            _move_to_free_place(written, file)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
        _settle(file.parent)


def replace_file(file: Path, data: bytes) -> None:
    """New content for a file, which keeps its mode; raises as ``create_file``."""
    with _told(file):
        written = _write_beside(file, data, mode=stat.S_IMODE(file.stat().st_mode))
        try:
            written.replace(file)
        except BaseException:
            written.unlink(missing_ok=True)
            raise
        _settle(file.parent)


def move_file(file: Path, target: Path) -> None:
    """Within one folder, at one stroke; raises as ``create_file``."""
    with _told(target):
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        file.rename(target)
        _settle(target.parent)


def remove_file(file: Path) -> None:
    """Raises Refused where it must not be removed, StoreUnavailable where it can't be."""
    with _told(file):
        file.unlink()
        _settle(file.parent)


def _write_beside(file: Path, data: bytes, *, mode: int) -> Path:
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(mode)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _move_to_free_place(file: Path, target: Path) -> None:
    try:
        os.link(file, target)  # a rename would take the place of a file that came into being meanwhile
    except FileExistsError:
        raise
    except OSError:  # no hard links here
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        file.rename(target)
    else:
        file.unlink()


def _settle(folder: Path) -> None:
    """The name too is on the disk when this returns, where the system can do that."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise Refused(f"{file.name} is there already; rename or remove it") from error
    except OSError as error:
        if error.errno in _NOT_ALLOWED:
            raise Refused(f"{file}: this user may not write there ({error.strerror})") from error
        raise StoreUnavailable(f"{file}: can't be written ({error.strerror})") from error
