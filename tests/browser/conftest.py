"""One server with content and one Chromium for all; a fresh context for each test, which fails on faults of a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from quaero.web.bundle import bundle_folder, bundle_hash
from tests.browser.chromium import Faults, SharedBrowser, executable, opened
from tests.browser.site import Site, seed, served, write_definitions
from tests.e2e.command import Quaero

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SHARED = SharedBrowser()


@pytest.fixture(scope="session", autouse=True)
def _needed() -> None:
    """Chromium, and the page as its sources are now."""
    if executable() is None:
        pytest.skip("browser tests need Chromium: apt install chromium (Debian), then run them again")
    assert bundle_folder(), "the page is not built: make setup (without QUAERO_SKIP_UI)"
    assert bundle_hash() in ("", _sources()), "the page is of other sources than those in ui/: make setup"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, _needed: None) -> Iterator[Site]:
    quaero = Quaero(tmp_path_factory.mktemp("site"))
    write_definitions(quaero)
    with served(quaero) as site:
        yield site


@pytest.fixture(scope="session")
def runs(site: Site) -> dict[str, int]:
    """What has run, by name."""
    return seed(site)


@pytest.fixture
def browser(_needed: None):
    return SHARED.get()


@pytest.fixture
def opened_page(browser, site: Site, runs: dict[str, int]) -> Iterator[tuple[Page, Faults]]:
    with opened(browser, site.url) as both:
        yield both


@pytest.fixture
def page(opened_page: tuple[Page, Faults]) -> Page:
    return opened_page[0]


@pytest.fixture
def faults(opened_page: tuple[Page, Faults]) -> Faults:
    return opened_page[1]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Behind the last test of this folder: Playwright's event loop must not be in the way of other tests."""
    if nextitem is None or HERE not in nextitem.path.parents:
        SHARED.stop()


def _sources() -> str:
    """The hash that the build hook gives the page's sources."""
    import hatch_build

    return str(hatch_build.source_hash(ROOT / "ui"))
