"""Scopes: what each route asks of a caller. One table; what is not in it needs ``admin``."""

from __future__ import annotations

import re
from typing import Final

from quaero.model.access import Scope

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
_ALL: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})

TABLE: Final[tuple[tuple[frozenset[str], str, Scope | None], ...]] = (
    # None: open to everybody. The first row that fits holds.
    (SAFE, r"/api/health(/live)?", None),
    (frozenset({"POST", "DELETE"}), r"/api/session", None),
    (_ALL, r"/api/(access|audit|keys|config)(/.*)?", Scope.ADMIN),
    (SAFE, r"/(api|ws)(/.*)?", Scope.READ),
    # The page is the same for everybody and holds no data.
    (SAFE, r".*", None),
    # Look at what would happen, and change nothing.
    (frozenset({"POST"}), r"/api/definitions/validate", Scope.READ),
    (frozenset({"POST"}), r"/api/definitions/[^/]+/preview", Scope.READ),
    (frozenset({"POST"}), r"/api/definitions/[^/]+/execute", Scope.RUN),
    # Enabled or not.
    (frozenset({"PATCH"}), r"/api/definitions/[^/]+", Scope.RUN),
    # Not an action on many runs: deleting may be one.
    (frozenset({"POST"}), r"/api/(runs|jobs)/\d+/[a-z-]+", Scope.RUN),
    (frozenset({"POST"}), r"/api/schedules/[^/]+/[a-z-]+", Scope.RUN),
    (frozenset({"POST"}), r"/api/dead-letters/[a-z-]+", Scope.RUN),
    (frozenset({"POST"}), r"/api/documents/tags", Scope.RUN),
)
_COMPILED: Final = tuple((methods, re.compile(pattern, re.DOTALL), scope) for methods, pattern, scope in TABLE)


def needed_scope(method: str, path: str) -> Scope | None:
    """The least scope that may do it; None: everybody may."""
    for methods, pattern, scope in _COMPILED:
        if method in methods and pattern.fullmatch(path):
            return scope
    return Scope.ADMIN
