"""A server that dies and comes back under an open page."""

from __future__ import annotations

import re
import signal

from playwright.sync_api import Browser, expect

from tests.browser.chromium import opened
from tests.browser.site import definition, served, slow_step
from tests.e2e.command import Quaero, load_step


def test_a_page_outlives_its_server_and_then_is_live_and_true_again(browser: Browser, tmp_path):
    quaero = Quaero(tmp_path, {"QUAERO_ENGINE_LEASE_SECONDS": "5", "QUAERO_ENGINE_RENEW_SECONDS": "1"})
    folder = quaero.data / "definitions"
    folder.mkdir(parents=True)
    (folder / "many.toml").write_text(definition("many", load_step(worker_count=300, log_count=2)))
    (folder / "long.toml").write_text(definition("long", slow_step(jobs=12, lines=40, delay_ms=100, at_once=4)))
    with served(quaero) as first, opened(browser, first.url) as (page, faults):
        faults.allow("ERR_CONNECTION_REFUSED|WebSocket|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|ERR_SOCKET")
        many = first.ran("many")
        long = first.execute("long")
        page.goto(f"/?run={many}&level=info")
        link = page.get_by_role("status").filter(has_text=re.compile("Live|stale|Stale")).first
        expect(link).to_have_text("Live")
        lines = page.get_by_role("log")
        expect(lines.locator(".log-row").first).to_be_visible()
        lines.hover()
        page.mouse.wheel(0, -4000)
        expect(page.get_by_role("button", name="Follow", exact=True)).to_have_attribute("aria-pressed", "false")
        scrolled = lines.evaluate("(list) => list.scrollTop")
        assert scrolled > 0

        first.process.signal(signal.SIGKILL)
        first.process.popen.wait()
        expect(link).to_contain_text(re.compile("stale", re.IGNORECASE))
        assert lines.evaluate("(list) => list.scrollTop") == scrolled

        with served(quaero, first.port) as second:
            expect(link).to_have_text("Live")
            expect(page).to_have_url(re.compile(rf"run={many}&level=info$"))
            assert lines.evaluate("(list) => list.scrollTop") == scrolled
            expect(page.locator(".log-row:not(.level-info)")).to_have_count(0)
            row = page.get_by_role("treeitem").filter(has=page.get_by_text(f"#{long}", exact=True))
            expect(row.locator(".counts")).to_have_text(re.compile(r"12\s*/12"), timeout=60_000)
            assert second.finished(long)["counters"]["completed"] == 12
