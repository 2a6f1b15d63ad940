"""Two runs side by side: what was asked for, how it went, and what became of the documents."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import NamedTuple, get_args

import msgspec

from quaero.errors import BadData, Refused
from quaero.model.status import JobStatus
from quaero.ports.insight import ComparedDocument, DocumentChange, JobInsight, RunTimes, StepTimes
from quaero.ports.jobs import JobStore

LISTED = 500
"""Documents of each kind in one answer, at most."""
CHANGES: tuple[DocumentChange, ...] = get_args(DocumentChange)


class Origin(NamedTuple):
    """The attempt that made a revision."""

    run_id: int
    step_name: str
    worker_type: str
    job_id: int
    attempt: int


class RunSide(msgspec.Struct, frozen=True, kw_only=True):
    run_id: int
    revision: int
    status: JobStatus
    has_errors: bool
    started_at: datetime | None
    seconds: float | None


class StepSide(msgspec.Struct, frozen=True, kw_only=True):
    """A step of one of the runs. ``per_second``: jobs that ended, over the whole step."""

    step_id: int
    status: JobStatus
    reused: bool
    seconds: float | None
    per_second: float | None
    total: int
    completed: int
    failed: int
    retried: int
    documents: int


class StepDelta(msgspec.Struct, frozen=True, kw_only=True):
    """A step in both runs; None where a run has none of this name. Deltas are new minus old."""

    name: str
    old: StepSide | None
    new: StepSide | None
    seconds: float | None
    per_second: float | None
    total: int | None
    failed: int | None
    documents: int | None


class TracedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document, and the attempt that made the revision that is meant: its log lines are the job's."""

    document_id: str
    source_type: str
    source_id: str
    title: str
    revision: int
    run_id: int
    step_name: str
    worker_type: str
    job_id: int
    attempt: int


class DocumentPage(msgspec.Struct, frozen=True, kw_only=True):
    change: DocumentChange
    items: list[TracedDocument]
    next: str | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """``documents``: exact counts by kind of change; ``listed``: the first of each kind."""

    old: RunSide
    new: RunSide
    definition_id: str
    same_definition: bool
    """Both ran the same revision."""
    diff: str
    """Of the definition's text, unified; empty where it is the same."""
    steps: list[StepDelta]
    documents: dict[DocumentChange, int]
    listed: list[DocumentPage]


def compare(store: JobStore, insight: JobInsight, run_id: int, other_id: int, *, listed: int = 20) -> Comparison:
    """The older of the two runs is the old one, however they are named. Reads only.

    Raises:
        NotFound: no such run. Refused: they are runs of different definitions, or the same one.
    """
    old_id, new_id = _in_order(run_id, other_id)
    old_run, new_run = store.run(old_id), store.run(new_id)
    if old_run.definition_id != new_run.definition_id:
        raise Refused(
            f"run {old_id} is one of {old_run.definition_id!r}, run {new_id} one of {new_run.definition_id!r}; "
            "only runs of one definition can be compared"
        )
    counts = insight.document_changes(old_id, new_id)
    return Comparison(
        old=_run_side(insight.run_times(old_id)),
        new=_run_side(insight.run_times(new_id)),
        definition_id=old_run.definition_id,
        same_definition=old_run.revision == new_run.revision,
        diff=source_diff(insight, old_run.definition_id, old_run.revision, new_run.revision),
        steps=_step_deltas(insight.step_times([old_id, new_id]), old_id),
        documents={change: counts.get(change, 0) for change in CHANGES},
        listed=[documents(insight, old_id, new_id, change, limit=listed) for change in CHANGES if change in counts],
    )


def documents(
    insight: JobInsight,
    run_id: int,
    other_id: int,
    change: DocumentChange,
    *,
    limit: int = LISTED,
    cursor: str | None = None,
) -> DocumentPage:
    """A page of the documents that are new, changed, unchanged or gone in the newer of the two runs.

    Raises:
        BadData: a cursor that no page gave.
    """
    if cursor is not None and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise BadData(f"cursor {cursor[:40]!r} is not one that a page of documents gave")
    old_id, new_id = _in_order(run_id, other_id)
    limit = max(0, min(limit, LISTED))
    found = insight.compared_documents(old_id, new_id, change, after=int(cursor or 0), limit=limit + 1)
    shown = found[:limit]
    more = str(shown[-1].no) if shown and len(found) > limit else None
    return DocumentPage(change=change, items=[_traced(row) for row in shown], next=more)


def source_diff(insight: JobInsight, definition_id: str, old: int, new: int) -> str:
    """Of two revisions' texts."""
    if old == new:
        return ""
    return text_diff(
        insight.source(definition_id, old),
        insight.source(definition_id, new),
        f"{definition_id} revision {old}",
        f"{definition_id} revision {new}",
    )


def text_diff(old: str, new: str, old_name: str, new_name: str) -> str:
    """Unified, with three lines around each change; empty where they are the same."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), old_name, new_name, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def seconds_between(start: int | None, end: int | None) -> float | None:
    return None if start is None or end is None else max(0, end - start) / 1e6


def _in_order(run_id: int, other_id: int) -> tuple[int, int]:
    if run_id == other_id:
        raise Refused(f"run {run_id} would be compared with itself")
    return min(run_id, other_id), max(run_id, other_id)


def _run_side(run: RunTimes) -> RunSide:
    return RunSide(
        run_id=run.run_id,
        revision=run.revision,
        status=run.state.status,
        has_errors=bool(run.has_errors),
        started_at=None if run.started_at is None else datetime.fromtimestamp(run.started_at / 1e6, UTC),
        seconds=seconds_between(run.started_at, run.finished_at),
    )


def _step_side(step: StepTimes) -> StepSide:
    seconds = seconds_between(step.started_at, step.finished_at)
    ended = step.completed + step.failed
    return StepSide(
        step_id=step.step_id,
        status=step.state.status,
        reused=step.reason == "reused",
        seconds=seconds,
        per_second=round(ended / seconds, 3) if seconds and ended else None,
        total=step.total,
        completed=step.completed,
        failed=step.failed,
        retried=step.retried,
        documents=step.documents,
    )


def _step_deltas(steps: list[StepTimes], old_id: int) -> list[StepDelta]:
    """In the new run's order; behind them, those that only the old one has."""
    old = {step.name: _step_side(step) for step in steps if step.manager_id == old_id}
    new = {step.name: _step_side(step) for step in steps if step.manager_id != old_id}
    return [_delta(name, old.get(name), new.get(name)) for name in dict.fromkeys((*new, *old))]


def _delta(name: str, old: StepSide | None, new: StepSide | None) -> StepDelta:
    def minus(field: str) -> float | None:
        before, after = getattr(old, field, None), getattr(new, field, None)
        return None if before is None or after is None else round(after - before, 3)

    def count(field: str) -> int | None:
        difference = minus(field)
        return None if difference is None else int(difference)

    return StepDelta(
        name=name,
        old=old,
        new=new,
        seconds=minus("seconds"),
        per_second=minus("per_second"),
        total=count("total"),
        failed=count("failed"),
        documents=count("documents"),
    )


def _traced(row: ComparedDocument) -> TracedDocument:
    origin = msgspec.json.decode(row.origin, type=Origin)
    return TracedDocument(
        document_id=row.id,
        source_type=row.source_type,
        source_id=row.source_id,
        title=row.title,
        revision=row.revision,
        **origin._asdict(),
    )
