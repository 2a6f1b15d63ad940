"""What the tests of this folder work on: a database, and processes that are gone when the test ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.kit import Site
from tests.chaos.server import OwnServer


@pytest.fixture(params=["sqlite", "postgres"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """On each database."""
    if request.param == "sqlite":
        site = Site(tmp_path)
        yield site
        site.close()
        return
    from tests.postgres import fresh_database, release_database

    url = fresh_database()
    site = Site(tmp_path, url)
    yield site
    site.close()
    release_database(url)


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    """A PostgreSQL that may be stopped."""
    server = OwnServer()
    yield server
    server.close()
