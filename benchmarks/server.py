"""The server benchmark: what `quaero serve` costs and how soon it answers on this machine, against its targets.

Every scenario is a process and a data folder of its own, with the server as another process. Where a load is needed,
it comes from a third one: the server's CPU time is that of showing, and what readers cost is the difference between
the same load with and without them. Scenarios that look through a browser are skipped where there is none, and say so.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import postgres_server
from engine import NO_SERVER, SERVER_SETTINGS, TIMEOUT_S, WIDTH, Place, RunFailed, count_of, disk_folder, machine
from targets import SERVER_ROWS, Measured

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Work:
    """A scenario's arguments; smaller ones for a quick look."""

    full: tuple[int, ...] = ()
    quick: tuple[int, ...] = ()


WORKS = {
    "million": Work((1_000_000,), (50_000,)),
    "live": Work((8,), (4,)),
    "sockets": Work((8,), (4,)),
    "sleeper": Work(),
    "start": Work(),
    "bytes": Work(),
}

Samples = dict[str, list[dict[str, Any]]]
"""Scenario -> the figures of its runs, in order."""


def main() -> int:
    options = _options()
    if options.backend == "sqlite":
        return _measure(options, server=None)
    try:
        with postgres_server.server(settings=SERVER_SETTINGS) as server:
            return _measure(options, server)
    except postgres_server.PostgresUnavailable as error:
        print(f"--backend postgres: {error}", file=sys.stderr)
        return NO_SERVER


def _measure(options: argparse.Namespace, server: str | None) -> int:
    about = machine(options.folder)
    samples: Samples = {}
    failed: list[str] = []
    for name in options.only:
        work, place = WORKS[name], Place(options.folder, server)
        try:
            for number in range(options.runs):
                print(f"{name}, run {number + 1} of {options.runs}", file=sys.stderr, flush=True)
                found = _run(name, work.quick if options.quick else work.full, place)
                samples.setdefault(name, []).append(found)
        except (RunFailed, subprocess.TimeoutExpired) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed.append(name)
    about["load_average_after"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    figures = _figures(samples)
    _show(about, figures, options)
    for name, runs in samples.items():
        for reason in {str(run["skipped"]) for run in runs if "skipped" in run}:
            print(f"{name}: in part, {reason}")
    if failed:
        print(f"no result: {', '.join(failed)}")
    if options.json:
        values = {key: found.value for key, found in figures.items()}
        asked = {"backend": options.backend, "quick": options.quick, "runs": options.runs}
        print(json.dumps({**values, **asked, **about, "failed": failed, "samples": samples}, indent=2))
    return 1 if failed else 0


def _run(name: str, arguments: tuple[int, ...], place: Place) -> dict[str, Any]:
    """One run in a process, a folder and a database of its own."""
    data = Path(tempfile.mkdtemp(prefix="quaero-benchmark-", dir=place.folder))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("QUAERO_")}
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        if place.server is not None:
            environment["QUAERO_DATABASE"] = stack.enter_context(postgres_server.empty_database(place.server))
        done = subprocess.run(
            [sys.executable, str(HERE / "server_scenarios.py"), name, str(data), *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            env=environment,
            check=False,
        )
    if done.returncode:
        raise RunFailed(f"{name} {arguments} failed (exit {done.returncode}); its error stands above")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _figures(samples: Samples) -> dict[str, Measured]:
    """The median of the runs, of all that is a plain number."""
    found: dict[str, Measured] = {}
    for runs in samples.values():
        for key, value in runs[0].items():
            if isinstance(value, int | float):
                found[key] = Measured.of([run[key] for run in runs if key in run])
    return found


def _show(about: Mapping[str, str], figures: Mapping[str, Measured], options: argparse.Namespace) -> None:
    console = Console(width=WIDTH, highlight=False)
    title = f"Quaero server benchmark, {options.backend}" + (", quick" if options.quick else "")
    table = Table(title=title, title_justify="left")
    table.add_column("work")
    for heading in (f"median of {options.runs}" if options.runs > 1 else "figure", "min–max", "must"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for row in SERVER_ROWS:
        if row.key not in figures:
            continue
        found = figures[row.key]
        table.add_row(
            row.work,
            row.shown(found.value),
            f"{row.shown(found.low)} – {row.shown(found.high)}" if options.runs > 1 else "",
            row.target(row.must),
            row.verdict(found.value, quick=options.quick),
        )
    for name, value in about.items():
        if name != "settings":
            console.print(f"{name.replace('_', ' ')}: {value}", markup=False)
    console.print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the server on this machine, against its targets.")
    parser.add_argument("--backend", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--json", action="store_true", help="print all figures as one JSON object, last")
    parser.add_argument("--quick", action="store_true", help="less work: a first look")
    parser.add_argument("--only", type=_names, default=list(WORKS), metavar="NAME,…", help=", ".join(WORKS))
    parser.add_argument("--runs", type=count_of, default=1, help="runs of each (default 1)")
    parser.add_argument("--folder", type=Path, default=disk_folder(), help="where the data folders are made")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in WORKS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"no such work: {', '.join(unknown) or text!r}; there is {', '.join(WORKS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
