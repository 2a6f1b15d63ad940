"""The OpenAPI description, without a store; as a file: ``python -m quaero.web.openapi > ui/openapi.json``."""

from __future__ import annotations

import json
import sys
from typing import Any, cast

from quaero.web.access import routes as access
from quaero.web.answers import describing
from quaero.web.live import stream
from quaero.web.problems import described_as_problems
from quaero.web.services import WebServices
from quaero.web.site import make_site


class _Nothing:
    """Stands in for whatever a route would ask: describing asks nothing."""

    def __init__(self, version: str = "") -> None:
        self.version = version

    def __getattr__(self, name: str) -> _Nothing:
        return _Nothing()


def description(version: str = "0") -> dict[str, Any]:
    """Of all routes. It takes a moment, and a server is seldom asked for it: its own routes are not described."""
    nothing = cast("Any", _Nothing(version))
    with describing():
        site = make_site(
            cast("WebServices", nothing),
            api=(
                access.routes(nothing, nothing, nothing),
                stream.routes(nothing, nothing, nothing, path="/logs/stream"),
            ),
        )
        return described_as_problems(site.openapi())


if __name__ == "__main__":
    json.dump(description(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
