"""Chromium, as the page's reader: how soon it shows, how smoothly it moves, what it loads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SIZE = {"width": 1400, "height": 900}
PATIENCE_MS = 20_000
ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage")

_SHOWN = """
globalThis.__shown = new Promise((resolve) => {
  const look = () => {
    const found = document.querySelector(%s);
    if (found && found.getBoundingClientRect().height > 0) resolve(performance.now());
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
});
"""
_FRAMES = """
(seconds) => new Promise((resolve) => {
  const gaps = [];
  const begun = performance.now();
  let last = begun;
  const frame = (now) => {
    gaps.push(now - last);
    last = now;
    if (now - begun < seconds * 1000) requestAnimationFrame(frame);
    else resolve({ gaps: gaps.slice(1), hidden: document.hidden });
  };
  requestAnimationFrame(frame);
})
"""
_CLICK = """
(selector) => new Promise((resolve, reject) => {
  const chip = document.querySelector(selector);
  if (!chip) { reject(new Error(`nothing is at ${selector}`)); return; }
  const was = chip.getAttribute("aria-pressed");
  const begun = performance.now();
  chip.click();
  const look = () => {
    if (document.querySelector(selector).getAttribute("aria-pressed") === was) { requestAnimationFrame(look); return; }
    // A message comes behind the frame that shows it.
    const channel = new MessageChannel();
    channel.port1.onmessage = () => resolve(performance.now() - begun);
    requestAnimationFrame(() => channel.port2.postMessage(null));
  };
  look();
})
"""


class NoBrowser(Exception):
    """Chromium or its driver is not here; says which."""


@contextmanager
def context() -> Iterator[Any]:
    """A browser without a past.

    Raises:
        NoBrowser: there is none.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NoBrowser("playwright is not installed (make setup)") from None
    chromium = shutil.which("chromium")
    if chromium is None:
        raise NoBrowser("there is no chromium on the PATH (apt install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        try:
            found = browser.new_context(viewport=SIZE)
            found.set_default_timeout(PATIENCE_MS)
            yield found
        finally:
            browser.close()


def opening_ms(context: Any, url: str, selector: str, times: int) -> list[float]:
    """From the start of the navigation until what ``selector`` finds is on the screen, of each load."""
    page = context.new_page()
    page.add_init_script(_SHOWN % json.dumps(selector))
    waits = []
    for _ in range(times):
        page.goto(url, wait_until="commit")
        waits.append(float(page.evaluate("globalThis.__shown")))
        page.goto("about:blank")
    page.close()
    return waits


def frame_gaps_ms(page: Any, seconds: float) -> list[float]:
    """Between one frame and the next."""
    found: dict[str, Any] = page.evaluate(_FRAMES, seconds)
    if found["hidden"]:
        raise SystemExit("the page is hidden; there are no frames to measure")
    return list(found["gaps"])


def click_ms(page: Any, selector: str) -> float:
    """From a click until the frame that shows its effect."""
    return float(page.evaluate(_CLICK, selector))


def loaded_bytes(context: Any, url: str, selector: str) -> dict[str, int]:
    """What comes over the wire for the page itself, headers and all, before any data: path -> bytes."""
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    paths: dict[str, str] = {}
    sizes: dict[str, int] = {}
    session.on("Network.responseReceived", lambda event: paths.update({event["requestId"]: event["response"]["url"]}))
    session.on(
        "Network.loadingFinished", lambda event: sizes.update({event["requestId"]: int(event["encodedDataLength"])})
    )
    page.goto(url)
    page.wait_for_selector(selector)
    page.close()
    return {path: sizes.get(request, 0) for request, path in paths.items() if "/api/" not in path}
