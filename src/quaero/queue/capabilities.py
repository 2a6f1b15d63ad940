"""What this machine offers to steps that need more than a processor, as far as that can be told without starting it."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

BROWSER = "browser"

_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CACHES = {"darwin": "Library/Caches/ms-playwright", "win32": "AppData/Local/ms-playwright"}


def detected() -> frozenset[str]:
    """``browser``: Playwright can be imported, and there is a Chromium, the system's or one of its own."""
    return frozenset({BROWSER} if find_spec("playwright") is not None and _has_chromium() else ())


def _has_chromium() -> bool:
    if any(shutil.which(name) for name in _CHROMIUM):
        return True
    given = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    cache = Path(given) if given else Path.home() / _CACHES.get(sys.platform, ".cache/ms-playwright")
    return any(cache.glob("chromium-*"))
