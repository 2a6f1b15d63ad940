"""Identity: who makes a request. The guard leaves it in the ASGI scope, for everything behind it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.types import Scope as AsgiScope

from quaero.model.access import Scope

ACCESS: Final = "quaero.access"
LOCAL: Final = "local"
OWNER: Final = "owner"


class Access(NamedTuple):
    """Who asks, from where, and what they may do."""

    actor: str = ""
    """``local``, ``owner`` or ``key:NAME``; empty where nobody signed in and nobody needs to."""
    scope: Scope | None = None
    address: str = ""
    is_secure: bool = False
    """Over https, as far as can be told."""

    def allows(self, needed: Scope) -> bool:
        return self.scope is not None and self.scope.covers(needed)

    def require(self, needed: Scope) -> None:
        """For what only the body of a request tells; raises HTTPException (403)."""
        if not self.allows(needed):
            raise HTTPException(HTTPStatus.FORBIDDEN, f"this needs the scope {needed}; yours is {self.scope or 'none'}")


def access_of(scope: AsgiScope) -> Access:
    """Nobody, with no rights, where no guard stands in front."""
    found = scope.get(ACCESS)
    return found if isinstance(found, Access) else Access()
