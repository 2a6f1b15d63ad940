"""A run with its steps and the runs below them: what progress, summaries and ``jobs show`` are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from quaero.model.job import Job
from quaero.ports.jobs import RunRow

if TYPE_CHECKING:
    from quaero.storage.job_store import SqlJobStore

MOST_STEPS = 1000
MOST_CHILD_RUNS = 50
"""Of one step, as a tree shows them."""


@dataclass(frozen=True)
class StepNode:
    job: Job
    runs: tuple[RunNode, ...]


@dataclass(frozen=True)
class RunNode:
    job: Job
    steps: tuple[StepNode, ...]

    def jobs(self) -> Iterator[Job]:
        """The run and everything below it, top down."""
        yield self.job
        for step in self.steps:
            yield step.job
            for run in step.runs:
                yield from run.jobs()


def read_tree(store: SqlJobStore, run_id: int) -> RunNode:
    """One run; raises NotFound."""
    return _node(store, run_id, store.runs_of_root(store.run(run_id).root_id))


def read_forest(store: SqlJobStore, root_id: int) -> list[RunNode]:
    """The root, and after it the runs that were started by the end of another."""
    runs = store.runs_of_root(root_id)
    return [_node(store, run.id, runs) for run in runs if run.parent_step is None]


def as_data(node: RunNode) -> dict[str, Any]:
    """The manager job with ``steps``: what ``--json`` shows of a run."""
    return {**msgspec.structs.asdict(node.job), "steps": [step.job for step in node.steps]}


def _node(store: SqlJobStore, run_id: int, runs: list[RunRow]) -> RunNode:
    steps = store.list_children(run_id, limit=MOST_STEPS)
    below = {step.id: [run.id for run in runs if run.parent_step == step.id][:MOST_CHILD_RUNS] for step in steps}
    return RunNode(
        store.get_job(run_id),
        tuple(StepNode(step, tuple(_node(store, child, runs) for child in below[step.id])) for step in steps),
    )
