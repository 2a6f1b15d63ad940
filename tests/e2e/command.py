"""The real ``quaero`` as a subprocess, on a data folder of its own."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from quaero.cli.main import called
from tests.waiting import wait_until

QUAERO = Path(sys.executable).with_name("quaero")
SAMPLE = Path(__file__).parent / "sample_package"
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Result:
    code: int
    stdout: str
    stderr: str

    @property
    def data(self) -> Any:
        return json.loads(self.stdout)


@dataclass
class Process:
    """One that runs in the background."""

    popen: subprocess.Popen[bytes]
    out: Path
    err: Path

    @property
    def stderr(self) -> str:
        return self.err.read_text()

    def wait_for(self, text: str) -> None:
        """Until ``text`` has been said on standard error."""
        wait_until(lambda: text in self.stderr or self.popen.poll() is not None, TIMEOUT_S)
        assert text in self.stderr, self.stderr

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def end(self) -> Result:
        code = self.popen.wait(TIMEOUT_S)
        return Result(code, self.out.read_text(), self.stderr)


@dataclass
class Quaero:
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    _count: int = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def __call__(self, *arguments: object, code: int | None = 0, stdin: str | None = None) -> Result:
        """Run to the end; ``code`` is the exit code expected (None: any)."""
        done = subprocess.run(
            [QUAERO, *map(str, arguments)],
            env=self._environment(),
            cwd=self.folder,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        assert code is None or result.code == code, result
        assert "Traceback" not in result.stderr, result.stderr
        return result

    def json(self, *arguments: object, code: int = 0) -> Any:
        return self(*arguments, "--json", code=code).data

    def here(self, *arguments: object, code: int = 0) -> Result:
        """The same command line in this process, which saves the second that a start takes. For looking only."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), _logging_kept():
            given = called(["--data", str(self.data), *map(str, arguments)])
        result = Result(given, out.getvalue(), err.getvalue())
        assert given == code, result
        return result

    def ask(self, *arguments: object, code: int = 0) -> Any:
        """The JSON document that such a command answers."""
        return self.here(*arguments, "--json", code=code).data

    def refusal(self, *arguments: object) -> str:
        """What such a command says on standard error when it exits 2."""
        return self.here(*arguments, code=2).stderr

    @contextmanager
    def started(self, *arguments: object) -> Iterator[Process]:
        """A process in the background; killed at the end where it still runs."""
        self._count += 1
        out, err = (self.folder / f"{name}-{self._count}.txt" for name in ("out", "err"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            popen = subprocess.Popen(
                [QUAERO, *map(str, arguments)],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        try:
            yield Process(popen, out, err)
        finally:
            if popen.poll() is None:
                popen.kill()
            popen.wait()

    def define(self, text: str, name: str = "t") -> Path:
        """A definition file with id and name, and ``text`` below."""
        path = self.folder / f"{name}.toml"
        path.write_text(f'id = "{name}"\nname = "{name.upper()}"\n{text}')
        return path

    def newest_run(self) -> Any:
        return self.ask("jobs", "list", "--limit", 1)["items"][0]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QUAERO_")}
        return {**kept, "QUAERO_DATA": str(self.data), "COLUMNS": "120", **self.environment}


@contextmanager
def _logging_kept() -> Iterator[None]:
    """A command sets up logging for its process; here it is not alone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def with_sample(folder: Path) -> dict[str, str]:
    """Makes the sample package importable as if it were installed; the environment that says so."""
    project = tomllib.loads((SAMPLE / "pyproject.toml").read_text())["project"]
    info = folder / f"quaero_sample-{project['version']}.dist-info"
    info.mkdir(parents=True)
    shutil.copy(SAMPLE / "quaero_sample.py", folder)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines: list[str] = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return {"PYTHONPATH": str(folder)}


def steps_of(run: Any) -> dict[str, Any]:
    return {step["name"]: step for step in run["steps"]}


def statuses(run: Any) -> dict[str, str]:
    return {name: step["status"] for name, step in steps_of(run).items()}


def load_step(name: str = "load", *, extra: Sequence[str] = (), **parameters: object) -> str:
    """A step of quick jobs that don't fail, unless ``parameters`` say otherwise."""
    settings = {
        "worker_count": 3,
        "log_count": 1,
        "log_delay_ms": 0,
        "failure_rate": 0.0,
        "recursion_depth": 0,
    } | parameters
    lines = [f"[step.{name}]", 'type = "test_job_generator"', *(f"{k} = {toml(v)}" for k, v in settings.items())]
    return "\n".join([*lines, *extra]) + "\n"


def note_step(name: str = "note", **parameters: object) -> str:
    """A step of the sample package's worker."""
    lines = [f"[step.{name}]", 'type = "sample_note"', *(f"{k} = {toml(v)}" for k, v in parameters.items())]
    return "\n".join(lines) + "\n"


def toml(value: object) -> str:
    return json.dumps(str(value) if isinstance(value, Path) else value)
