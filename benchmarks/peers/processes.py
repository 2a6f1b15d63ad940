"""A run is a process group of its own, which is ended as a whole, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .outcomes import RunFailed, last_word


def output(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], timeout_s: float) -> str:
    """What a command prints; afterwards nothing that it started is left.

    Raises:
        RunFailed: it ended with an error, or not in time.
    """
    with (folder / "errors.txt").open("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            printed, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise RunFailed(f"killed: no result after {timeout_s:g} s") from None
        finally:
            _end(process)
        if process.returncode:
            errors.seek(0)
            raise RunFailed(f"failed: {last_word(errors.read())}")
    return printed


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
