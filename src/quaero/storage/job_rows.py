"""Rows of jobs, runs and steps -> ``Job``, for the store and for views."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, overload

import msgspec

from quaero.model.definition import JobDefinition
from quaero.model.job import Counters, Job, JobError
from quaero.model.status import JobKind, JobStatus, StatusReason
from quaero.ports.jobs import State, StepRow
from quaero.storage.database import Row
from quaero.storage.jobs import reason_of

KINDS = (JobKind.MANAGER, JobKind.STEP, JobKind.WORKER)


def manager_job(row: Row, facts: Row, counters: Counters, documents: int, definition: JobDefinition) -> Job:
    """``facts``: a row of the statement ``run_facts``."""
    return Job(
        **_common(row),
        job_type="manager",
        name=facts[3],
        definition_id=facts[0],
        rerun_of=facts[2],
        counters=counters,
        percent=round(counters.percent, 1),
        document_count=documents,
        message=facts[6],
        cancel_requested_at=moment(facts[4]) if reason_of(facts[9]) is StatusReason.USER else None,
        paused_at=moment(facts[5]),
        config=definition.config,
    )


def step_job(row: Row, step: StepRow, definition: JobDefinition) -> Job:
    described = next((s for s in definition.steps if s.name == step.name), None)
    counters = Counters(**{name: getattr(step, name) for name in Counters.__struct_fields__})
    return Job(
        **_common(row),
        job_type=step.worker_type,
        name=step.name,
        step_id=step.id,
        step_name=step.name,
        worker_type=step.worker_type,
        definition_id=definition.id,
        counters=counters,
        percent=round(counters.percent, 1),
        document_count=step.document_count,
        message=step.message or waiting_for(step.waits_for, step.state),
        max_attempts=described.retry.max_attempts if described else 1,
        config=described.parameters if described else {},
    )


def worker_job(row: Row, step: StepRow, definition: JobDefinition, job_types: Mapping[str, str]) -> Job:
    return Job(
        **_common(row),
        job_type=job_types.get(step.worker_type, step.worker_type),
        name=f"{step.name} {row[0]}",
        step_id=step.id,
        step_name=step.name,
        worker_type=step.worker_type,
        definition_id=definition.id,
        max_attempts=definition.step(step.name).retry.max_attempts,
        config=msgspec.json.decode(row[18]) if row[18] else {},
    )


def waiting_for(capabilities: str, state: State) -> str:
    """What a step says of capabilities that no node has."""
    return f"waiting for a node with: {capabilities}" if capabilities and not state.is_terminal else ""


@overload
def moment(micros: int) -> datetime: ...
@overload
def moment(micros: int | None) -> datetime | None: ...
def moment(micros: int | None) -> datetime | None:
    return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC)


def states_of(*statuses: JobStatus) -> list[State]:
    return [state for state in State if state.status in statuses]


def _common(row: Row) -> dict[str, Any]:
    result = msgspec.json.decode(row[19]) if row[19] else {}
    return {
        "id": row[0],
        "kind": KINDS[row[1]],
        "manager_id": row[2],
        "parent_id": row[3],
        "status": State(row[4]).status,
        "status_reason": reason_of(row[5]),
        "has_errors": bool(row[6]),
        "priority": row[7],
        "available_at": moment(row[8]),
        "attempt": row[9],
        "failures": row[10],
        "rescues": row[11],
        "claimed_by": row[12],
        "depth": row[13],
        "spawned_by": row[14],
        "created_at": moment(row[15]),
        "started_at": moment(row[16]),
        "finished_at": moment(row[17]),
        "result": result,
        "error": msgspec.json.decode(row[20], type=JobError) if row[20] else None,
    } | ({"document_count": len(result.get("document_ids", ()))} if row[1] == 2 else {})
