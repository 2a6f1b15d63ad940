"""An environment for each tool, so that no two of them have to agree on a dependency."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .outcomes import Skipped, last_word

TIMEOUT_S = 600
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")


def interpreter(folder: Path, pins: Sequence[str]) -> Path:
    """The Python of an environment that has exactly these; made anew when they are not what was installed before.

    Raises:
        Skipped: they can't be installed.
    """
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    wanted = "\n".join((f"python {sys.version.split()[0]}", *pins))
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    print(f"{folder.name}: installing {', '.join(pins)}", file=sys.stderr, flush=True)
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    _run(str(python), *PIP, *pins)
    stamp.write_text(wanted, encoding="utf-8")
    return python


def versions(python: Path) -> list[str]:
    """Everything that is installed, with what the pins brought along."""
    command = [str(python), "-m", "pip", "freeze", "--disable-pip-version-check"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def _run(*command: str) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise Skipped(f"not installed within {TIMEOUT_S} s") from None
    except subprocess.CalledProcessError as error:
        raise Skipped(f"can't be installed: {last_word(error.stderr)}") from error
