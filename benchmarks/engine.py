"""The engine benchmark: what Quaero's queue reaches on this machine, against its targets.

Every run is a process and a data folder of its own; every figure is the median of several runs. Runs that are
compared with each other (engine and ceiling, with and without a flood of log lines) alternate, because a machine's
speed drifts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import apsw
from rich.console import Console
from rich.table import Table

import postgres_server
from quaero.config import load
from quaero.storage.sqlite import file_system_of
from targets import Measured, rows_of

HERE = Path(__file__).parent
MOUNTS = Path("/proc/self/mounts")
TIMEOUT_S = 600
WIDTH = 132
NO_SERVER = 2
SERVER_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


class RunFailed(Exception):
    """A run ended with an error, which stands on stderr."""


Samples = dict[str, list[dict[str, float]]]
"""Part of a group -> the figures of its runs, in order."""
Reduce = Callable[[Samples], Measured]


@dataclass(frozen=True)
class Part:
    """A scenario with its arguments; the smaller ones for a quick look."""

    scenario: str
    full: tuple[object, ...] = ()
    quick: tuple[object, ...] = ()


@dataclass(frozen=True)
class Group:
    """Parts that alternate, and what is read off them: JSON key -> figure."""

    parts: Mapping[str, Part]
    figures: Mapping[str, Reduce]


def plain(part: str, figure: str) -> Reduce:
    return lambda samples: Measured.of(_values(samples, part, figure))


def best(*parts: str) -> Reduce:
    """Of the part that is the fastest in the median."""
    return lambda samples: Measured.of(_values(samples, _fastest(samples, parts), "per_s"))


def share(part: str, *of: str) -> Reduce:
    """Percent of the fastest of others: the ratio of the medians, and the range of the alternating runs' ratios."""
    return lambda samples: _ratio(samples, part, _fastest(samples, of), lambda ratio: ratio * 100)


def times(part: str, of: str) -> Reduce:
    """How many times as fast as another."""
    return lambda samples: _ratio(samples, part, of, lambda ratio: ratio)


def loss(part: str, of: str) -> Reduce:
    """By how many percent one is slower than the other."""
    return lambda samples: _ratio(samples, part, of, lambda ratio: (1 - ratio) * 100)


def _ratio(samples: Samples, part: str, of: str, figure: Callable[[float], float]) -> Measured:
    ours, theirs = _values(samples, part, "per_s"), _values(samples, of, "per_s")
    pairs = [figure(a / b) for a, b in zip(ours, theirs, strict=True)]
    return Measured(figure(median(ours) / median(theirs)), min(pairs), max(pairs))


def _fastest(samples: Samples, parts: tuple[str, ...]) -> str:
    return max(parts, key=lambda part: median(_values(samples, part, "per_s")))


def _values(samples: Samples, part: str, figure: str) -> list[float]:
    return [run[figure] for run in samples[part]]


def _beside_flood(worker_type: str, full: int, quick: int) -> dict[str, Part]:
    return {
        name: Part("beside_flood", (full, worker_type, lines), (quick, worker_type, lines))
        for name, lines in (("alone", 0), ("flooded", 50_000))
    }


GROUPS: dict[str, Group] = {
    "drain": Group(
        {
            "engine": Part("drain", (50_000,), (20_000,)),
            "ceiling_250": Part("ceiling_drain", (50_000, 250), (20_000, 250)),
            "ceiling_1000": Part("ceiling_drain", (50_000, 1_000), (20_000, 1_000)),
        },
        {
            "drain_jobs_per_s": plain("engine", "per_s"),
            "drain_ceiling_per_s": best("ceiling_250", "ceiling_1000"),
            "drain_of_ceiling_percent": share("engine", "ceiling_250", "ceiling_1000"),
        },
    ),
    "pipeline": Group(
        {
            "engine": Part("pipeline"),
            "ceiling_250": Part("ceiling_pipeline", (5_000, 250), (5_000, 250)),
            "ceiling_1000": Part("ceiling_pipeline", (5_000, 1_000), (5_000, 1_000)),
        },
        {
            "pipeline_children_per_s": plain("engine", "per_s"),
            "pipeline_ceiling_per_s": best("ceiling_250", "ceiling_1000"),
            "pipeline_of_ceiling_percent": share("engine", "ceiling_250", "ceiling_1000"),
            "parent_lag_ms": plain("engine", "lag_ms"),
        },
    ),
    "documents": Group({"engine": Part("documents")}, {"documents_children_per_s": plain("engine", "per_s")}),
    "enqueue": Group(
        {"engine": Part("enqueue", (200_000,), (50_000,))}, {"enqueue_jobs_per_s": plain("engine", "per_s")}
    ),
    "fanout": Group(
        {"engine": Part("fan_out", (1_000_000,), (100_000,))},
        {
            "fanout_seconds": plain("engine", "seconds"),
            "fanout_children_per_s": plain("engine", "per_s"),
            "fanout_peak_rss_mb": plain("engine", "peak_rss_mb"),
            "fanout_last_tenth_ratio": plain("engine", "last_tenth_ratio"),
        },
    ),
    "latency": Group(
        {"one": Part("latency", (200,), (60,)), "two": Part("latency_two", (200,), (60,))},
        {
            "latency_p50_ms": plain("one", "p50_ms"),
            "latency_p99_ms": plain("one", "p99_ms"),
            "latency_two_p50_ms": plain("two", "p50_ms"),
            "latency_two_p99_ms": plain("two", "p99_ms"),
        },
    ),
    "cpu100": Group(
        {"engine": Part("cpu100", (20_000,), (5_000,))},
        {"cpu100_jobs_per_s": plain("engine", "per_s"), "write_lock_p50_ms": plain("engine", "lock_ms")},
    ),
    "idle": Group(
        {"engine": Part("idle", (20,), (10,))},
        {"idle_cpu_percent": plain("engine", "cpu_percent"), "idle_queries_per_s": plain("engine", "queries_per_s")},
    ),
    "flood_noop": Group(_beside_flood("noop", 100_000, 30_000), {"flood_noop_loss_percent": loss("flooded", "alone")}),
    "flood_cpu100": Group(
        _beside_flood("cpu100", 20_000, 5_000), {"flood_cpu100_loss_percent": loss("flooded", "alone")}
    ),
}


POSTGRES_GROUPS: dict[str, Group] = {
    "drain": Group(
        {**GROUPS["drain"].parts, "two": Part("drain_in_processes", (50_000, 2), (20_000, 2))},
        {
            **GROUPS["drain"].figures,
            "drain_two_ratio": times("two", "engine"),
            "wal_bytes_per_job": plain("engine", "wal_bytes"),
            "wal_bytes_whole": plain("engine", "wal_bytes_whole"),
        },
    ),
    "cpu100": Group(GROUPS["cpu100"].parts, {"cpu100_jobs_per_s": plain("engine", "per_s")}),
}
"""Where a group has more, or other, figures on PostgreSQL."""


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
    groups = GROUPS
    if server is not None:
        groups = {**GROUPS, **POSTGRES_GROUPS}
        about["server"] = ", ".join(f"{k} {v}" for k, v in postgres_server.settings_of(server).items())
    figures: dict[str, Measured] = {}
    samples: dict[str, Samples] = {}
    failed: list[str] = []
    for name in options.only:
        try:
            place = Place(options.folder, server)
            samples[name] = measured(groups[name], options.runs, quick=options.quick, place=place, name=name)
        except (RunFailed, subprocess.TimeoutExpired) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed.append(name)
            continue
        figures |= {key: reduce(samples[name]) for key, reduce in groups[name].figures.items()}
    show(about, figures, runs=options.runs, quick=options.quick, backend=options.backend)
    if failed:
        print(f"no result: {', '.join(failed)}")
    if options.json:
        values = {key: found.value for key, found in figures.items()}
        asked = {"backend": options.backend, "quick": options.quick, "runs": options.runs}
        print(json.dumps({**values, **asked, **about, "failed": failed, "samples": samples}, indent=2))
    return 1 if failed else 0


@dataclass(frozen=True)
class Place:
    """Where the data lies: a folder, and with PostgreSQL a server."""

    folder: Path
    server: str | None


def measured(group: Group, runs: int, *, quick: bool, place: Place, name: str) -> Samples:
    """Every part so many times, in turn."""
    samples: Samples = {part: [] for part in group.parts}
    for number in range(runs):
        for key, part in group.parts.items():
            print(f"{name}: {key}, run {number + 1} of {runs}", file=sys.stderr, flush=True)
            samples[key].append(_run(part.scenario, part.quick if quick else part.full, place))
    return samples


def _run(scenario: str, arguments: tuple[object, ...], place: Place) -> dict[str, float]:
    """One run in a process, a folder and a database of its own."""
    data = Path(tempfile.mkdtemp(prefix="quaero-benchmark-", dir=place.folder))
    script = HERE / "scenarios.py"
    environment = {k: v for k, v in os.environ.items() if k not in {"QUAERO_DATA", "QUAERO_DATABASE"}}
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        if place.server is not None:
            environment["QUAERO_DATABASE"] = stack.enter_context(postgres_server.empty_database(place.server))
        done = subprocess.run(
            [sys.executable, str(script), scenario, str(data), *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT_S,
            env=environment,
            check=False,
        )
    if done.returncode:
        raise RunFailed(f"{scenario} {arguments} failed (exit {done.returncode}); its error stands above")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


# what was measured, and on what


def machine(folder: Path) -> dict[str, str]:
    engine = load(folder).engine
    return {
        "commit": _commit(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}",
        "folder": f"{folder} ({file_system_of(folder, MOUNTS) or 'unknown file system'})",
        "settings": f"synchronous {engine.synchronous}, {engine.slots} slots, claims up to {engine.claim_max}, "
        f"flushes at {engine.flush_jobs} jobs",
        "load_average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _commit() -> str:
    git = partial(subprocess.run, cwd=HERE, capture_output=True, text=True, check=False)
    try:
        commit = git(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
        changed = git(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    except OSError:
        return "unknown"
    return f"{commit or 'unknown'}{' with changes' if changed else ''}"


def _processor() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    models = [row.partition(":")[2].strip() for row in facts.splitlines() if row.startswith("model name")]
    return models[0] if models else platform.machine()


def show(about: Mapping[str, str], figures: Mapping[str, Measured], *, runs: int, quick: bool, backend: str) -> None:
    console = Console(width=WIDTH, highlight=False)
    table = Table(title=f"Quaero engine benchmark, {backend}" + (", quick" if quick else ""), title_justify="left")
    table.add_column("work")
    for heading in (f"median of {runs}", "min–max", "must", "aim"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for row in rows_of(figures, backend):
        found = figures[row.key]
        table.add_row(
            row.work,
            row.shown(found.value),
            f"{row.shown(found.low)} – {row.shown(found.high)}",
            row.target(row.must),
            row.target(row.aim),
            row.verdict(found.value, quick=quick),
        )
    for name, value in about.items():
        console.print(f"{name.replace('_', ' ')}: {value}", markup=False)
    console.print(table)


# options


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the engine on this machine, against its targets.")
    parser.add_argument("--backend", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--json", action="store_true", help="print all figures as one JSON object, last")
    parser.add_argument("--quick", action="store_true", help="less work and one run each: a first look")
    parser.add_argument("--only", type=_names, default=list(GROUPS), metavar="NAME,…", help=", ".join(GROUPS))
    parser.add_argument("--runs", type=count_of, help="runs of each (default 3, quick 1)")
    parser.add_argument("--folder", type=Path, default=disk_folder(), help="where the data folders are made")
    options = parser.parse_args()
    options.runs = options.runs or (1 if options.quick else 3)
    return options


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in GROUPS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"no such work: {', '.join(unknown) or text!r}; there is {', '.join(GROUPS)}")
    return names


def count_of(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("must be a number of runs, 1 or more")
    return int(text)


def disk_folder() -> Path:
    """The system's folder for temporary files, but where that lies in memory: there no commit costs anything."""
    folder = Path(tempfile.gettempdir())
    return Path.cwd() if file_system_of(folder, MOUNTS) in IN_MEMORY else folder


if __name__ == "__main__":
    sys.exit(main())
