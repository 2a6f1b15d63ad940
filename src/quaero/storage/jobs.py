"""SqlJobTransaction: the writing half of the job store. One method, one statement (or two); no rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from quaero.errors import NotFound
from quaero.model.job import JobError
from quaero.model.status import StatusReason
from quaero.ports.jobs import (
    REASONS,
    AttemptEnd,
    ChildBatch,
    Claimed,
    ClaimedStep,
    Delta,
    DocumentChanges,
    Held,
    Lane,
    Limiter,
    Look,
    LostJob,
    NewRun,
    NewStep,
    Notice,
    ProcessRow,
    Progress,
    RunRow,
    Settled,
    State,
    StepRow,
    Wanting,
)
from quaero.storage.database import Connection, Row
from quaero.storage.document_writer import DocumentWriter
from quaero.storage.schedules import SqlSchedules
from quaero.storage.statements import statements
from quaero.storage.upkeep import SqlUpkeep

LOWEST = -(2**63)
_claimed = msgspec.json.Decoder(list[Claimed])
_lanes = msgspec.json.Decoder(list[Lane])
_attempts = msgspec.json.Decoder(list[tuple[int, int]])
_due = msgspec.json.Decoder(list[tuple[int, int, int]])
_encoder = msgspec.json.Encoder()


def as_json(rows: object) -> str:
    """A batch as the one argument of its statement."""
    return _encoder.encode(rows).decode()


def reason_code(reason: StatusReason | None) -> int | None:
    return None if reason is None else REASONS.index(reason)


def reason_of(code: int | None) -> StatusReason | None:
    return None if code is None else REASONS[code]


class SqlJobTransaction:
    """See :class:`quaero.ports.jobs.JobTransaction`. Lives inside one open transaction of ``connection``."""

    def __init__(self, connection: Connection, now: int, lease_now: int | None = None) -> None:
        """``lease_now``: what leases are measured by, where that is another clock."""
        self.connection = connection
        self._sql = statements(connection.dialect, "jobs")
        self._now = now
        self._lease_now = now if lease_now is None else lease_now
        self._locked_roots: set[int] = set()
        self._locked_runs: set[int] = set()
        self._locked_steps: set[int] = set()
        self._has_limits: bool | None = None
        """None: not asked for yet."""
        self._raised_steps: dict[int, int] = {}
        self._raised_jobs: list[int] = []
        self._unclaimed: list[int] = []

    @property
    def now(self) -> int:
        return self._now

    @property
    def lease_now(self) -> int:
        return self._lease_now

    def savepoint(self) -> AbstractContextManager[None]:
        return self.connection.savepoint()

    @property
    def upkeep(self) -> SqlUpkeep:
        return SqlUpkeep(self.connection, self._now, self._lock)

    @property
    def schedules(self) -> SqlSchedules:
        return SqlSchedules(self.connection, self._now, self._lock)

    def _run(self, name: str, /, **params: Any) -> int:
        return self.connection.run(self._sql[name], params)

    def _all(self, name: str, /, **params: Any) -> list[Row]:
        return self.connection.fetch_all(self._sql[name], params)

    def _value(self, name: str, /, **params: Any) -> Any:
        return self.connection.fetch_value(self._sql[name], params)

    def _numbers(self, count: int) -> int:
        return int(self._value("take_numbers", count=count))

    # locks: none is needed where there is one writer at a time

    @property
    def _has_locks(self) -> bool:
        return "lock_named" in self._sql

    def _lock(self, name: str) -> None:
        if self._has_locks:
            self._all("lock_named", name=name)

    def lock_runs(self, run_ids: Iterable[int]) -> None:
        new = sorted(set(run_ids) - self._locked_runs)
        if new and self._has_locks:
            self._locked_roots.update(row[0] for row in self._all("lock_runs", rows=as_json(new)))
            self._locked_runs.update(new)

    def lock_steps(self, step_ids: Iterable[int]) -> None:
        new = sorted(set(step_ids) - self._locked_steps)
        if new and self._has_locks:
            self._locked_roots.update(row[0] for row in self._all("lock_steps", rows=as_json(new)))
            self._locked_steps.update(new)

    @property
    def locked_roots(self) -> Collection[int]:
        return self._locked_roots

    def lock_definitions(self) -> None:
        self._lock("definitions")

    def lock_dedup(self) -> None:
        self._lock("dedup")

    def lock_limits(self, *, wait: bool) -> bool:
        if wait:
            self._lock("limits")
            self._has_limits = True
            return True
        if self._has_locks and self._has_limits is None:
            self._has_limits = bool(self._all("try_lock_named", name="limits"))
        return self._has_limits is not False

    # definitions and runs

    def pin_definition(self, definition_id: str, digest: str, source: str, body: bytes) -> int:
        found = self._value("find_revision", id=definition_id, hash=digest)
        if found is not None:
            return int(found)
        revision = (self.newest_revision(definition_id) or 0) + 1
        self._run(
            "add_definition",
            id=definition_id,
            revision=revision,
            hash=digest,
            source=source,
            body=body.decode(),
            now=self._now,
        )
        return revision

    def definition(self, definition_id: str, revision: int) -> bytes:
        body = self._value("definition", id=definition_id, revision=revision)
        if body is None:
            raise NotFound(f"definition {definition_id!r} has no revision {revision}")
        return str(body).encode()

    def newest_revision(self, definition_id: str) -> int | None:
        revision = self._value("newest_revision", id=definition_id)
        return None if revision is None else int(revision)

    def add_run(self, run: NewRun) -> int:
        run_id = self._numbers(1)
        added = self._run(
            "add_manager_job",
            id=run_id,
            parent_step=run.parent_step,
            child_key=run.child_key,
            priority=run.priority,
            now=self._now,
        )
        if not added:
            return 0
        self._run(
            "add_run",
            id=run_id,
            definition_id=run.definition_id,
            revision=run.revision,
            root_id=run.root_id or run_id,
            parent_step=run.parent_step,
            rerun_of=run.rerun_of,
            name=run.name,
            log_day=run.log_day,
            queued=int(run.queued),
            deadline=run.deadline,
        )
        self._run("add_io", id=run_id)
        if run.root_id is None:
            # Nobody else sees it yet.
            self._locked_runs.add(run_id)
            if self._has_locks:
                self._locked_roots.add(run_id)
        return run_id

    def add_steps(self, steps: Sequence[NewStep]) -> list[int]:
        first = self._numbers(len(steps))
        jobs = [(s.manager_id, s.name, s.state, reason_code(s.reason), s.priority) for s in steps]
        lanes = [
            (
                s.manager_id,
                s.root_id,
                s.position,
                s.name,
                s.worker_type,
                int(s.has_runs),
                s.priority,
                int(s.sealed),
                as_json(s.needs) if s.needs else None,
            )
            for s in steps
        ]
        self._run("add_step_jobs", first=first, now=self._now, rows=as_json(jobs))
        self._run("add_steps", first=first, rows=as_json(lanes))
        ids = list(range(first, first + len(steps)))
        for step_id in ids:
            self._run("add_io", id=step_id)
        return ids

    def run(self, run_id: int) -> RunRow:
        rows = self._all("run", id=run_id)
        if not rows:
            raise NotFound(f"no run {run_id}")
        return run_row(rows[0])

    def open_runs(self, definition_id: str) -> list[RunRow]:
        return [run_row(row) for row in self._all("open_runs", definition_id=definition_id)]

    def stopped_runs(self) -> list[int]:
        return [row[0] for row in self._all("stopped_runs")]

    def child_runs(self, run_id: int) -> list[int]:
        return [row[0] for row in self._all("child_runs", run_id=run_id)]

    def steps(self, run_id: int) -> list[StepRow]:
        return [step_row(row) for row in self._all("steps", run_id=run_id)]

    def step(self, step_id: int) -> StepRow:
        rows = self._all("step", id=step_id)
        if not rows:
            raise NotFound(f"no step {step_id}")
        return step_row(rows[0])

    def set_run_flags(self, run_id: int, values: Mapping[str, Any]) -> None:
        flags = dict.fromkeys(
            ("queued", "failing", "warned", "stop_reason", "stop_at", "paused_at", "deadline", "message")
        )
        self._run("set_run_flags", id=run_id, **{**flags, **_coded(values)})

    def set_step_flags(self, step_id: int, values: Mapping[str, Any]) -> None:
        flags = dict.fromkeys(
            (
                "sealed",
                "stop_reason",
                "deadline",
                "plan_hash",
                "cache_key",
                "message",
                "waits_for",
                "warnings",
                "documents",
            )
        )
        self._run("set_step_flags", id=step_id, **{**flags, **_coded(values)})

    # status changes

    def set_state(
        self,
        job_id: int,
        old: Sequence[State],
        new: State,
        *,
        reason: StatusReason | None = None,
        has_errors: bool = False,
        available_at: int | None = None,
    ) -> bool:
        changed = self._run(
            "set_state",
            id=job_id,
            old=as_json(old),
            new=int(new),
            reason=reason_code(reason),
            has_errors=int(has_errors),
            available_at=available_at,
            now=self._now,
        )
        return changed == 1

    def release_claim(self, job_id: int) -> None:
        self._run("release_claim", id=job_id)

    def plan_of(self, held: Held) -> tuple[int, bool] | None:
        rows = self._all("plan_of", id=held.id, attempt=held.attempt)
        if not rows:
            return None
        run_id, is_to_stop, root_id = rows[0]
        if self._has_locks:
            self._locked_steps.add(held.id)
            self._locked_roots.add(root_id)
        return run_id, bool(is_to_stop)

    # children

    def add_children(self, manager_id: int, step_id: int, children: ChildBatch) -> int:
        if not len(children):
            return 0
        # Where numbers come from a sequence, the statement itself takes them.
        takes_numbers = "add_payloads" not in self._sql
        first = 0 if takes_numbers else self._numbers(len(children))
        payloads = (b"[" + b",".join(children.payloads) + b"]").decode()
        common = {
            "first": first,
            "count": len(children),
            "manager_id": manager_id,
            "step_id": step_id,
            "now": self._now,
            "payloads": payloads,
        }
        top = children.priority
        if children.rows:
            top = max(child.priority for child in children.rows)
            added = self._run("add_children_with", **common, rows=as_json(children.rows))
        else:
            added = self._run("add_children", **common, priority=top, rows=as_json(children.keys))
        if not takes_numbers:
            name = "add_payloads" if added == len(children) else "add_payloads_of_inserted"
            self._run(name, first=first, payloads=payloads)
        if top:
            self._raised_steps[step_id] = max(top, self._raised_steps.get(step_id, top))
        return added

    def copy_failed_children(self, old_step: int, new_run: int, new_step: int, family: str | None = None) -> int:
        old_run = self.step(old_step).manager_id
        params = {"old_run": old_run, "old_step": old_step, "family": family}
        count = int(self._value("count_failed_children", **params))
        if not count:
            return 0
        made = {**params, "new_run": new_run, "new_step": new_step, "first": self._numbers(count), "now": self._now}
        copied = self._run("copy_failed_children", **made)
        self._run("copy_failed_payloads", **made)
        return copied

    # the hot path

    def complete(self, held: Sequence[Held] | Sequence[tuple[int, int]]) -> list[int]:
        rows = as_json(held)
        if self._run("complete", rows=rows, now=self._now) == len(held):
            return []
        completed = set(_attempts.decode(self._value("completed_now", rows=rows, now=self._now)))
        refused = []
        for place, (job_id, attempt) in enumerate(held):
            if (job_id, attempt) in completed:
                completed.discard((job_id, attempt))
            else:
                refused.append(place)
        return refused

    def accepted(self, held: Sequence[Held] | Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        return set(_attempts.decode(self._value("accepted", rows=as_json(held))))

    def settle(self, ends: Sequence[Settled]) -> None:
        rows = [(e.id, e.attempt, e.state, reason_code(e.reason), e.available_at, e.failures) for e in ends]
        self._run("settle", rows=as_json(rows), now=self._now)
        self._raised_jobs += [e.id for e in ends if e.state is State.READY]

    def put_results(self, results: Sequence[tuple[int, bytes | None, bytes | None]]) -> None:
        rows = [(i, r and r.decode(), e and e.decode()) for i, r, e in results]
        self._run("put_results", rows=as_json(rows))

    def add_attempts(self, process_id: int | None, ends: Sequence[AttemptEnd]) -> None:
        rows = [(e.job_id, e.attempt, e.outcome, _family(e.error), e.error and as_json(e.error)) for e in ends]
        self._run("add_attempts", process_id=process_id, rows=as_json(rows), now=self._now)

    def apply_counters(self, deltas: Mapping[int, Delta]) -> list[Progress]:
        self._raise_lanes()
        rows = [(step, *msgspec.structs.astuple(deltas[step])) for step in sorted(deltas)]
        return [Progress(*row) for row in self._all("apply_counters", rows=as_json(rows))]

    # documents

    def write_documents(self, batch: Sequence[Any]) -> DocumentChanges:
        self._lock("documents")
        return DocumentWriter(self.connection).apply(batch, self._now)

    def copy_documents(self, old_run: int, new_run: int, steps: Mapping[int, int]) -> dict[int, int]:
        return DocumentWriter(self.connection).copy_runs(old_run, new_run, steps) if steps else {}

    # claiming

    def bring_due(self, limit: int) -> dict[int, int]:
        due = _due.decode(self._value("due_children", now=self._now, limit=limit))
        if not due:
            return {}
        self._run("make_ready", rows=as_json([d[0] for d in due]))
        self._raised_jobs += [d[0] for d in due]
        moved: dict[int, int] = {}
        for _, kind, parent in due:
            step = parent if kind == 2 else 0
            moved[step] = moved.get(step, 0) + 1
        return moved

    def next_due(self) -> int | None:
        due = self._value("next_due")
        return None if due is None else int(due)

    def look(
        self,
        roots: Sequence[int] | None,
        types: Sequence[str],
        skip: Sequence[int],
        capabilities: Sequence[str] = (),
    ) -> Look:
        rows = self._all(
            "look",
            roots=None if roots is None else as_json(roots),
            types=as_json(types),
            skip=as_json(skip),
            capabilities=as_json(capabilities),
        )
        return Look(_lanes.decode(rows[0][0]), bool(rows[0][1]))

    def _peek(self, name: str, **params: Any) -> list[Claimed]:
        return _claimed.decode(self._value(name, **params))

    def pick_jobs(
        self,
        step_id: int,
        limit: int,
        process_id: int,
        limit_key: str | None = None,
        floor: int | None = None,
        capabilities: Sequence[str] = (),
    ) -> list[Claimed]:
        params = {"step_id": step_id, "limit": limit, "floor": LOWEST if floor is None else floor}
        if limit_key is None and not capabilities and "claim_jobs" in self._sql:
            return self._peek("claim_jobs", **params, process_id=process_id, now=self._now)
        found: list[Claimed] = []
        for needs in (*capabilities, ""):
            if limit_key is not None:
                found += self._peek("peek_keyed_jobs", **params, limit_key=limit_key, needs=needs)
            elif needs:
                found += self._peek("peek_needing_jobs", **params, needs=needs)
            else:
                found += self._peek("peek_jobs", **params)
        if capabilities:
            found = sorted(found, key=lambda job: -job.priority)[:limit]
        return self._picked(found)

    def pick_suspect(
        self, step_id: int, limit_key: str | None = None, capabilities: Sequence[str] = ()
    ) -> list[Claimed]:
        params = {"step_id": step_id, "limit_key": limit_key, "capabilities": as_json(capabilities)}
        return self._picked(self._peek("peek_suspect", **params))

    def _picked(self, found: list[Claimed]) -> list[Claimed]:
        self._unclaimed += [job.id for job in found]
        return found

    def claim_picked(self, process_id: int) -> None:
        if self._unclaimed:
            self._run("claim", rows=as_json(self._unclaimed), process_id=process_id, now=self._now)
            self._unclaimed.clear()

    def _raise_lanes(self) -> None:
        """With the counters, for these rows too belong to the root's lock."""
        for step_id in sorted(self._raised_steps):
            self._run("raise_lane", id=step_id, priority=self._raised_steps[step_id])
        if self._raised_jobs:
            self._run("raise_lanes", rows=as_json(self._raised_jobs))
        self._raised_steps.clear()
        self._raised_jobs.clear()

    def plannable(
        self, roots: Sequence[int] | None, types: Sequence[str], limit: int, capabilities: Sequence[str] = ()
    ) -> list[int]:
        """What claim_steps would find; takes no lock."""
        rows = self._all(
            "plannable_steps",
            roots=None if roots is None else as_json(roots),
            types=as_json(types),
            limit=limit,
            capabilities=as_json(capabilities),
        )
        return [row[0] for row in rows]

    def claim_steps(
        self,
        roots: Sequence[int] | None,
        types: Sequence[str],
        limit: int,
        process_id: int,
        capabilities: Sequence[str] = (),
    ) -> list[ClaimedStep]:
        rows = self._all(
            "plannable",
            roots=None if roots is None else as_json(roots),
            types=as_json(types),
            limit=limit,
            capabilities=as_json(capabilities),
        )
        if rows:
            self._run("claim", rows=as_json([row[0] for row in rows]), process_id=process_id, now=self._now)
        return [ClaimedStep(*row) for row in rows]

    # limits

    def ready_keys(self, step_id: int, after: str, limit: int) -> list[str]:
        return [row[0] for row in self._all("ready_keys", step_id=step_id, after=after, limit=limit)]

    def limiters(self, name: str, keys: Sequence[str]) -> dict[str, Limiter]:
        return {row[0]: Limiter(*row) for row in self._all("limiters", name=name, rows=as_json(keys))}

    def put_limiters(self, name: str, limiters: Sequence[Limiter]) -> None:
        self._run("put_limiters", name=name, rows=as_json(limiters))

    def release_slots(self, names: Mapping[tuple[str, str], int]) -> None:
        rows = [(name, key, count) for (name, key), count in names.items()]
        self._run("release_slots", rows=as_json(rows))

    # stopping

    def sweep(self, step_id: int, reason: StatusReason, after: int, limit: int) -> tuple[int, int, int]:
        candidates = [row[0] for row in self._all("sweep_candidates", step_id=step_id, after=after, limit=limit)]
        pending = self._all("pending_of", rows=as_json(candidates)) if candidates else []
        if pending:
            ids = as_json([row[0] for row in pending])
            self._run("cancel_children", rows=ids, reason=reason_code(reason), now=self._now)
        waiting = sum(row[1] == State.WAITING for row in pending)
        return len(pending) - waiting, waiting, candidates[-1] if len(candidates) == limit else 0

    def due_deadlines(self) -> tuple[list[int], list[int]]:
        runs = [row[0] for row in self._all("due_runs", now=self._now)]
        return runs, [row[0] for row in self._all("due_steps", now=self._now)]

    # processes

    def lock_nodes(self) -> None:
        self._lock("nodes")

    def add_process(self, process: ProcessRow) -> int:
        values = process._asdict()
        values.pop("id")
        return int(self._value("add_process", **values))

    def renew(
        self, process_id: int, lease_until: int, draining: bool, capabilities: str = "", key_version: str = ""
    ) -> list[ProcessRow]:
        rows = self._all(
            "renew",
            id=process_id,
            lease_until=lease_until,
            draining=int(draining),
            capabilities=capabilities,
            key_version=key_version,
            renewed_at=self._now,
            now=self._lease_now,
        )
        return sorted(ProcessRow(*row) for row in rows)

    def processes(self) -> list[ProcessRow]:
        return [ProcessRow(*row) for row in self._all("processes")]

    def orphaned_holders(self) -> list[int]:
        return [row[0] for row in self._all("holders")]

    def notice(self, leadership: str, key_version: str) -> Notice:
        return Notice(*self._all("notice", name=leadership, key_version=key_version, now=self._lease_now)[0])

    def lead(self, leadership: str, process_id: int, term: int) -> int:
        return int(self._value("lead", name=leadership, holder=process_id, term=term) or 0)

    def leads(self, leadership: str, process_id: int, term: int) -> bool:
        return bool(self._all("leads", name=leadership, holder=process_id, term=term))

    def wanting(self) -> list[Wanting]:
        return [Wanting(*row) for row in self._all("wanting")]

    def secret_keys(self, names: Sequence[str]) -> set[str]:
        return {row[0] for row in self._all("secret_keys", rows=as_json(names))} if names else set()

    def remove_process(self, process_id: int, lease_until: int | None = None) -> bool:
        return self._run("remove_process", id=process_id, lease_until=lease_until) == 1

    def lost_jobs(self, process_id: int) -> list[LostJob]:
        return [LostJob(*row) for row in self._all("lost_jobs", process_id=process_id)]

    def rescue(self, ids: Sequence[int]) -> None:
        self._run("rescue", rows=as_json(ids))
        self._raised_jobs += ids

    def fail_lost(self, ids: Sequence[int]) -> None:
        self._run("fail_lost", rows=as_json(ids), reason=reason_code(StatusReason.CRASH_LOOP), now=self._now)

    # the step cache

    def cached_step(self, definition_id: str, step_name: str, key: str) -> tuple[int, int, int] | None:
        rows = self._all("cached_step", definition_id=definition_id, step_name=step_name, cache_key=key)
        return (rows[0][0], rows[0][1], rows[0][2]) if rows else None

    def put_cached_step(self, definition_id: str, step_name: str, key: str, run_id: int, step_id: int) -> None:
        self._run(
            "put_cached_step",
            definition_id=definition_id,
            step_name=step_name,
            cache_key=key,
            manager_id=run_id,
            step_id=step_id,
            now=self._now,
        )

    def trim_step_cache(self, definition_id: str, step_name: str, keep: int) -> None:
        self._run("trim_step_cache", definition_id=definition_id, step_name=step_name, keep=keep)

    # watching

    def add_events(
        self, origin: int, after: int | None, events: Sequence[tuple[str, int | None, int | None, bytes]]
    ) -> None:
        if after is None:
            # Others may number their events under the same origin.
            self._lock("events")
        rows = [(kind, manager, job, data.decode()) for kind, manager, job, data in events]
        self._run("add_events", origin=origin, after=after, now=self._now, rows=as_json(rows))

    def prune_events(self, before: int) -> None:
        self._run("prune_events", before=before)

    def recount(self, step_id: int) -> dict[State, int]:
        return {State(row[0]): row[1] for row in self._all("recount", step_id=step_id)}

    def fact(self, name: str) -> str | None:
        value = self._value("fact", name=name)
        return None if value is None else str(value)

    def put_fact(self, name: str, value: str) -> None:
        self._run("put_fact", name=name, value=value)


def run_row(row: Row) -> RunRow:
    run = RunRow(*row)
    return run._replace(state=State(row[8]), reason=reason_of(row[9]), stop_reason=reason_of(row[14]))


def step_row(row: Row) -> StepRow:
    step = StepRow(*row)
    return step._replace(state=State(row[7]), reason=reason_of(row[8]), stop_reason=reason_of(row[15]))


def _coded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: reason_code(v) if isinstance(v, StatusReason) else v for k, v in values.items()}


def _family(error: JobError | None) -> str | None:
    return error.family if error else None
