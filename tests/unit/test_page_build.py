"""The page is built again when its sources change, and only then."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from quaero.web import bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hook() -> ModuleType:
    pytest.importorskip("hatchling", reason="hatchling is only in build environments")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "ui/src").mkdir(parents=True)
    (tmp_path / "ui/package.json").write_text("{}")
    (tmp_path / "ui/src/main.tsx").write_text("one")
    return tmp_path


def build_hook(hook: ModuleType, project: Path):
    return hook.CustomBuildHook(str(project), {}, None, None, "", "wheel")


def stamp(hook: ModuleType, project: Path) -> None:
    folder = project / "src/quaero/web/static"
    folder.mkdir(parents=True)
    (folder / hook.STAMP).write_text(hook.source_hash(project / "ui") + "\n")


def test_without_a_bundle_node_is_asked_for(hook, project):
    assert build_hook(hook, project).dependencies() == [hook.NODE]


def test_with_a_bundle_of_these_sources_nothing_is(hook, project):
    stamp(hook, project)

    assert build_hook(hook, project).dependencies() == []


def test_a_changed_source_asks_for_node_and_a_changed_test_does_not(hook, project):
    stamp(hook, project)

    (project / "ui/src/main.test.ts").write_text("a test")
    (project / "ui/node_modules").mkdir()
    (project / "ui/node_modules/some.js").write_text("left by npm")
    assert build_hook(hook, project).dependencies() == []

    (project / "ui/src/main.tsx").write_text("two")
    assert build_hook(hook, project).dependencies() == [hook.NODE]


def test_the_page_can_be_left_out(hook, project, monkeypatch):
    monkeypatch.setenv("QUAERO_SKIP_UI", "1")

    assert build_hook(hook, project).dependencies() == []


def test_a_build_that_fails_says_so(hook, project, tmp_path):
    with pytest.raises(RuntimeError, match=r"the page was not built: .* ended with 3\nno such"):
        hook._run(["sh", "-c", "echo no such; exit 3"], tmp_path, {"PATH": "/usr/bin:/bin"})


def test_the_lock_file_names_no_host():
    lines = (ROOT / "ui/package-lock.json").read_text().splitlines()

    assert not [line for line in lines if '"resolved"' in line or "registry." in line]


def test_the_bundle_is_known_by_its_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "__file__", str(tmp_path / "bundle.py"))
    assert bundle.bundle_folder() is None
    assert bundle.bundle_hash() == ""

    (tmp_path / "static").mkdir()
    (tmp_path / "static/index.html").write_text("<!doctype html>")
    assert bundle.bundle_folder() == tmp_path / "static"
    assert bundle.bundle_hash() == ""

    (tmp_path / "static" / bundle.STAMP).write_text("abc\n")
    assert bundle.bundle_hash() == "abc"
