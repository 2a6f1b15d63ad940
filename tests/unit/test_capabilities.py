"""What a machine is found to offer."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from quaero.queue import capabilities
from quaero.queue.capabilities import detected


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with Playwright and no browser; the folder in which Playwright would keep its own."""
    monkeypatch.setattr(capabilities, "find_spec", lambda name: ModuleSpec(name, None))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "browsers"))
    return tmp_path


def test_without_a_browser_there_is_none(bare):
    assert detected() == frozenset()


def test_playwrights_own_chromium_is_found(bare):
    (bare / "browsers" / "chromium-1200").mkdir(parents=True)

    assert detected() == {"browser"}


def test_the_systems_chromium_is_found(bare):
    program = bare / "bin" / "chromium"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)

    assert detected() == {"browser"}


def test_a_browser_without_playwright_is_of_no_use(bare, monkeypatch):
    (bare / "browsers" / "chromium-1200").mkdir(parents=True)
    monkeypatch.setattr(capabilities, "find_spec", lambda name: None)

    assert detected() == frozenset()
