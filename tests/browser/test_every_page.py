"""What holds for each page: WCAG A and AA in light and dark, one host, no fault, and room on a narrow screen.

Leaves a picture of each in ``build/screenshots/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import page_tools
from tests.browser.chromium import opened
from tests.browser.conftest import ROOT
from tests.browser.site import Site

PICTURES = ROOT / "build/screenshots"
PLACES = {
    "queue": "/?run={load}",
    "queue-timeline": "/?run={load}&view=timeline",
    "run": "/runs/{load}",
    "run-timeline": "/runs/{load}?tab=timeline",
    "run-errors": "/runs/{load}?tab=errors",
    "run-documents": "/runs/{notes}?tab=documents",
    "run-log": "/runs/{load}?tab=log",
    "run-inputs": "/runs/{load}?tab=inputs",
    "run-compare": "/runs/{again}?tab=compare&with={load}",
    "step": "/jobs/{step}",
    "job": "/jobs/{job}",
    "definitions": "/definitions",
    "definition": "/definitions/load",
    "definition-broken": "/definitions/broken",
    "documents": "/documents",
    "document": "/documents/{document}",
    "document-history": "/documents/{document}?view=history",
    "document-lineage": "/documents/{document}?view=lineage",
    "search": "/search",
    "search-hits": "/search?q=lease",
    "dead-letters": "/dead-letters",
    "schedules": "/schedules?schedule=notes",
    "workers": "/workers",
    "limits": "/workers?tab=limits",
    "worker-types": "/workers?tab=types",
    "settings": "/settings",
    "settings-keys": "/settings/keys",
    "settings-access": "/settings/access",
    "settings-audit": "/settings/audit",
    "system": "/system",
}
THEMES = ("light", "dark")


@pytest.fixture(scope="session")
def axe() -> str:
    with page_tools.wanted():
        modules = page_tools.installed()
    return (modules / "axe-core/axe.min.js").read_text()


@pytest.fixture(scope="session")
def addresses(site: Site, runs: dict[str, int]) -> dict[str, Any]:
    """What stands in the braces of ``PLACES``."""
    step = site.get(f"/runs/{runs['load']}")["steps"][0]["id"]
    job = site.get(f"/jobs/{step}/children", status="failed", limit=1)["items"][0]["id"]
    document = next(
        one["id"]
        for one in site.get("/documents", source_type="local_dir")["items"]
        if one["source_id"].endswith("leases.md")
    )
    return {**runs, "step": step, "job": job, "document": document}


@pytest.fixture(params=THEMES)
def themed(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[tuple[Page, str]]:
    with opened(browser, site.url, color_scheme=request.param) as (page, _):
        yield page, request.param


def show(page: Page, path: str) -> None:
    """Until it has all it loads."""
    page.goto(path)
    expect(page.locator(".link-state.live").first).to_be_attached()
    expect(page.locator("#main .spinner")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    expect(page.locator("#main h1").first).to_be_visible()


@pytest.mark.parametrize("name", PLACES)
def test_a_page_has_no_serious_fault_in_either_theme(themed, name: str, addresses: dict[str, Any], axe: str):
    page, theme = themed
    show(page, PLACES[name].format(**addresses))
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}-{theme}.png")

    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]

    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, "\n".join(
        f"{one['id']} ({one['impact']}): {one['help']}\n" + "\n".join(f"    {_node(node)}" for node in one["nodes"][:5])
        for one in serious
    )


@pytest.mark.parametrize("name", PLACES)
def test_a_page_has_room_on_a_narrow_screen(name: str, addresses: dict[str, Any], browser: Browser, site: Site):
    with opened(browser, site.url, viewport={"width": 380, "height": 780}) as (page, _):
        show(page, PLACES[name].format(**addresses))
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}-narrow.png")

        over = page.evaluate("document.scrollingElement.scrollWidth - innerWidth")

    assert over <= 0, f"the page is {over} px wider than the screen"


def _node(node: dict[str, Any]) -> str:
    return f"{' '.join(map(str, node['target']))}: {json.dumps(node.get('failureSummary', ''))[:300]}"
