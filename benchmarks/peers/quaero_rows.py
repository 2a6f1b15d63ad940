"""Our own rows of the table, from the engine benchmark, which measures enqueueing by itself, with more jobs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .outcomes import Outcome, Run, RunFailed
from .processes import output

SCRIPT = Path(__file__).parent.parent / "engine.py"
TIMEOUT_S = 1800
BACKENDS = {"sqlite": "FULL", "postgres": "fsync on"}
GROUPS = {"drain": ("drain", "enqueue"), "fanout": ("pipeline",), "latency": ("latency",)}
"""Our work -> the groups of the engine benchmark that it is read from."""
SIZES = {"drain": (50_000, 20_000), "fanout": (5_000, 5_000), "latency": (200, 60)}
"""Our work -> how many jobs the engine benchmark takes, and in a quick look."""
NOTES = {
    "drain": "status and attempts per job; at-least-once",
    "fanout": "its own: counters, in the children's transactions",
    "latency": "",
}


def measured(backend: str, works: list[str], folder: Path, *, repeat: int, quick: bool) -> list[Outcome]:
    """A row for each work; all with the reason, when the engine benchmark gave no figures."""
    groups = [group for work in works for group in GROUPS[work]]
    command = [sys.executable, str(SCRIPT), "--backend", backend, "--json", "--only", ",".join(groups)]
    command += ["--runs", str(repeat), "--folder", str(folder), *(["--quick"] if quick else [])]
    found: Mapping[str, Any] = {}
    reason = ""
    try:
        found = report(output(command, folder=folder, environment={}, timeout_s=TIMEOUT_S))
    except RunFailed as error:
        reason = f"skipped: {str(error).removeprefix('failed: ')}"
    return [_outcome(backend, work, found, reason, quick=quick) for work in works]


def report(printed: str) -> dict[str, Any]:
    """The JSON object that follows the table."""
    start = f"\n{printed}".find("\n{")
    if start < 0:
        raise RunFailed("the engine benchmark printed no figures")
    found: dict[str, Any] = json.loads(printed[start:])
    return found


def runs_of(work: str, samples: Mapping[str, Mapping[str, list[Run]]]) -> list[Run]:
    """The engine's runs at a work, with the figures' names of the peers."""
    if work == "latency":
        return list(samples["latency"]["one"])
    if work == "fanout":
        return list(samples["pipeline"]["engine"])
    enqueued = [run["per_s"] for run in samples["enqueue"]["engine"]]
    drained = [run["per_s"] for run in samples["drain"]["engine"]]
    return [{"enqueue_per_s": a, "per_s": b} for a, b in zip(enqueued, drained, strict=True)]


def _outcome(backend: str, work: str, found: Mapping[str, Any], reason: str, *, quick: bool) -> Outcome:
    note = f"{NOTES[work]}; {BACKENDS[backend]}" if work == "drain" else NOTES[work]
    outcome = Outcome(f"quaero-{backend}", work, SIZES[work][quick], note, reason=reason)
    if not reason:
        try:
            outcome.runs = runs_of(work, found["samples"])
        except KeyError as error:
            outcome.reason = f"skipped: the engine benchmark gave no figures of {error}"
    return outcome
