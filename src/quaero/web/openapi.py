"""The OpenAPI description as a file, without a store: ``python -m quaero.web.openapi > ui/openapi.json``."""

from __future__ import annotations

import json
import sys
from typing import Any, cast

from quaero.web.access import routes as access
from quaero.web.live import stream
from quaero.web.services import WebServices
from quaero.web.site import make_site


class _Nothing:
    """Stands in for whatever a route would ask: describing asks nothing."""

    version = "0"

    def __getattr__(self, name: str) -> _Nothing:
        return _Nothing()


def description() -> dict[str, Any]:
    """Of all routes."""
    nothing = cast("Any", _Nothing())
    site = make_site(
        cast("WebServices", nothing),
        api=(access.routes(nothing, nothing, nothing), stream.routes(nothing, nothing, nothing, path="/logs/stream")),
    )
    return site.openapi()


if __name__ == "__main__":
    json.dump(description(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
