"""Exit codes, the same for every command, and the error that is the user's to mend."""

from __future__ import annotations

from typing import Final

from quaero.errors import QuaeroError

OK: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
CANCELLED: Final = 130
TERMINATED: Final = 143
BROKEN_PIPE: Final = 141


class UsageError(QuaeroError):
    """Something on the command line that can't be used; the message says what to write instead."""
