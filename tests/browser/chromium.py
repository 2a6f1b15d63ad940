"""One Chromium for all browser tests, and what no page may ever do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    expect,
    sync_playwright,
)

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_MS = 20_000.0
VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`))"""


def executable() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path), None)


class SharedBrowser:
    """Started when first wanted. An event loop of Playwright's runs with it: to be stopped before others need one."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def get(self) -> Browser:
        if self._browser is None:
            self._playwright = sync_playwright().start()
            # the sandbox of Chromium is not for root, nor is it in most containers; the pages are our own
            self._browser = self._playwright.chromium.launch(
                executable_path=executable(), args=["--no-sandbox", "--disable-dev-shm-usage"]
            )
            expect.set_options(timeout=TIMEOUT_MS)
        return self._browser

    def stop(self) -> None:
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()
        self._browser = self._playwright = None


class Faults:
    """Console errors, uncaught errors, CSP violations and requests to other hosts than the server's."""

    def __init__(self, host: str) -> None:
        self.found: list[str] = []
        self.hosts: set[str] = set()
        self._host = host
        self._allowed: list[re.Pattern[str]] = []

    def allow(self, pattern: str) -> None:
        """What a test brings about on purpose, as the answer to a wrong request."""
        self._allowed.append(re.compile(pattern))

    def watch(self, context: BrowserContext) -> None:
        context.add_init_script(VIOLATIONS)
        context.on("request", self._requested)
        context.on("console", self._said)
        context.on("weberror", lambda error: self.found.append(f"uncaught: {error.error}"))
        context.on("page", lambda page: page.on("websocket", lambda socket: self._contacted(socket.url)))

    def check(self) -> None:
        left = [fault for fault in self.found if not any(one.search(fault) for one in self._allowed)]
        assert not left, "the page was at fault:\n" + "\n".join(left)
        assert self.hosts <= {self._host}, f"hosts contacted: {self.hosts}"

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.found.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _requested(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self._contacted(request.url)

    def _contacted(self, url: str) -> None:
        self.hosts.add(url.split("/")[2])


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[tuple[Page, Faults]]:
    """A page of a context of its own. Nothing is loaded yet."""
    faults = Faults(url.split("/")[2])
    given = {"viewport": {"width": 1360, "height": 850}, "locale": "en-GB", "timezone_id": "Europe/Berlin", **options}
    context = browser.new_context(base_url=url, reduced_motion="reduce", **given)
    context.set_default_timeout(TIMEOUT_MS)
    try:
        faults.watch(context)
        yield context.new_page(), faults
        faults.check()
    finally:
        context.close()
