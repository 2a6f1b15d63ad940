"""JobManager: job records and their status changes. It routes nothing and executes nothing.

Every method works inside a :class:`Turn`, so that callers put several changes into one commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from quaero.definitions.graph import shortest_cycle
from quaero.definitions.placeholders import find_in, resolve_config
from quaero.errors import Refused
from quaero.model.definition import JobDefinition, StepDefinition
from quaero.model.job import Counters
from quaero.model.log import LogLevel
from quaero.model.status import StatusReason
from quaero.ports.jobs import NewRun, NewStep, RunRow, State, StepRow
from quaero.queue.flow import PRE_JOBS, Ending, all_steps
from quaero.queue.membership import SECRETS
from quaero.queue.turn import Turn

SWEEP_CHUNK = 5_000
Library = Mapping[str, tuple[JobDefinition, str]]
"""Definitions by id, with their source text: those that ``pre_jobs`` and ``post_jobs`` may name."""

NeedsOf = Callable[[JobDefinition, StepDefinition], Sequence[str]]
"""The capabilities that a step's worker asks of a node."""

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(JobDefinition)


class Definitions:
    """Pinned definitions, decoded once per process."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], JobDefinition] = {}

    def of(self, turn: Turn, run: RunRow) -> JobDefinition:
        key = (run.definition_id, run.revision)
        if key not in self._known:
            self._known[key] = _decoder.decode(turn.tx.definition(*key))
        return self._known[key]

    def forget(self) -> None:
        """After a turn that was rolled back: a revision pinned in it may become another definition's."""
        self._known.clear()

    def decode(self, key: tuple[str, int], body: bytes) -> JobDefinition:
        if key not in self._known:
            self._known[key] = _decoder.decode(body)
        return self._known[key]


class JobManager:
    """Creates runs, changes statuses, stops, pauses and resumes."""

    def __init__(self, needs_of: NeedsOf = lambda definition, step: ()) -> None:
        self._needs_of = needs_of
        self._cursors: dict[int, int] = {}

    # creation

    def pin(self, turn: Turn, definition: JobDefinition, source: str, library: Library) -> int:
        """Store the definition, and those its pre and post jobs name, as revisions; returns its own.

        Raises:
            Refused: they name each other in a circle, which would never end.
        """
        seen: set[str] = set()
        todo = [definition.id]
        known = {**library, definition.id: (definition, source)}
        graph: dict[str, tuple[str, ...]] = {}
        revision = 0
        while todo:
            name = todo.pop()
            if name in seen or name not in known:
                continue
            seen.add(name)
            found, text = known[name]
            graph[name] = (*found.pre_jobs, *found.post_jobs)
            pinned = turn.tx.pin_definition(found.id, found.hash, text, _encoder.encode(found))
            revision = pinned if name == definition.id else revision
            todo += graph[name]
        if cycle := shortest_cycle(graph, definition.id):
            raise Refused(f"pre_jobs and post_jobs go round in a circle: {' -> '.join(cycle)}")
        return revision

    def create_run(
        self,
        turn: Turn,
        definition: JobDefinition,
        revision: int,
        *,
        root_id: int | None = None,
        parent_step: int | None = None,
        child_key: str | None = None,
        rerun_of: int | None = None,
        queued: bool = False,
    ) -> RunRow | None:
        """A manager job and its step jobs, all pending; None when its parent has a child of this key already."""
        # A queued run's time begins when its turn comes.
        timeout = None if queued else definition.timeout
        run_id = turn.tx.add_run(
            NewRun(
                definition_id=definition.id,
                revision=revision,
                name=definition.name,
                log_day=day_of(turn.now),
                root_id=root_id,
                parent_step=parent_step,
                child_key=child_key,
                rerun_of=rerun_of,
                priority=definition.priority,
                queued=queued,
                deadline=None if timeout is None else turn.now + int(timeout * 1_000_000),
            )
        )
        if not run_id:
            return None
        turn.may_fall_due = turn.may_fall_due or timeout is not None
        run = turn.tx.run(run_id)
        steps = all_steps(definition)
        ids = turn.tx.add_steps(
            [
                NewStep(
                    manager_id=run_id,
                    root_id=run.root_id,
                    position=position,
                    name=step.name,
                    worker_type=step.type,
                    has_runs=step.type == PRE_JOBS,
                    priority=definition.priority if step.priority is None else step.priority,
                    needs=self._needs(turn, definition, step),
                )
                for position, step in enumerate(steps)
            ]
        )
        turn.event(
            "job.created",
            run_id,
            run_id,
            kind="manager",
            name=run.name,
            definition_id=definition.id,
            total_steps=len(ids),
            parent_id=parent_step,
        )
        turn.log_run(run, LogLevel.INFO, "run.created", "init", definition=definition.id, revision=revision)
        turn.made_work = True
        return run

    def _needs(self, turn: Turn, definition: JobDefinition, step: StepDefinition) -> tuple[str, ...]:
        needs = {*self._needs_of(definition, step)}
        if not step.raw and turn.tx.secret_keys(
            [r.name for r in find_in(resolve_config(step.parameters, definition.config)) if r.kind == "key"]
        ):
            needs.add(SECRETS)
        return tuple(sorted(needs))

    # status changes

    def start_run(self, turn: Turn, run: RunRow) -> None:
        """pending -> running, with its first step."""
        if not turn.tx.set_state(run.id, [State.READY, State.WAITING], State.RUNNING):
            return
        turn.status_changed("manager", run.id, run.id, State.WAITING, State.RUNNING)
        turn.log_run(run, LogLevel.INFO, "run.started", "init")
        if run.parent_step is not None:
            turn.delta(run.parent_step).move(State.WAITING, State.RUNNING)

    def change_step(
        self, turn: Turn, run: RunRow, step: StepRow, new: State, ending: Ending | None = None, **fields: Any
    ) -> bool:
        """Compare-and-set of a step's status, with its event and log line."""
        ending = ending or Ending(new, None, has_errors=False)
        changed = turn.tx.set_state(
            step.id,
            [step.state],
            new,
            reason=ending.reason,
            has_errors=ending.has_errors,
            available_at=turn.now if new is State.READY else None,
        )
        if not changed:
            return False
        if new.is_terminal:
            turn.tx.set_step_flags(step.id, {"deadline": 0, "message": ending.message or None, "sealed": 1})
        if new.status is not step.state.status:
            turn.event(
                "step.status",
                run.id,
                step.id,
                step_name=step.name,
                step_type=step.worker_type,
                index=step.position,
                old=step.state.status,
                new=new.status,
                reason=ending.reason,
                child_count=step.total,
                counters={name: getattr(step, name) for name in Counters.__struct_fields__},
            )
            level = LogLevel.ERROR if new is State.FAILED else LogLevel.INFO
            phase = "finish" if new.is_terminal else "init"
            details = {k: v for k, v in {"reason": ending.reason, "message": ending.message}.items() if v}
            turn.log_step(run, step, level, f"step.{new.status}", phase, **details, **fields)
        return True

    def finish_run(self, turn: Turn, run: RunRow, ending: Ending) -> bool:
        """The run's terminal status, set exactly once."""
        changed = turn.tx.set_state(
            run.id,
            [State.READY, State.WAITING, State.RUNNING],
            ending.state,
            reason=ending.reason,
            has_errors=ending.has_errors,
        )
        if not changed:
            return False
        turn.tx.set_run_flags(run.id, {"deadline": 0, "queued": 0, "message": ending.message or None})
        turn.status_changed(
            "manager", run.id, run.id, run.state, ending.state, ending.reason, has_errors=ending.has_errors
        )
        level = LogLevel.ERROR if ending.state is State.FAILED else LogLevel.INFO
        details = {k: v for k, v in {"reason": ending.reason, "message": ending.message}.items() if v}
        turn.log_run(run, level, f"run.{ending.state.status}", "finish", has_errors=ending.has_errors, **details)
        turn.closed_runs.append(run.id)
        if run.parent_step is not None:
            old = State.RUNNING if run.state is State.RUNNING else State.WAITING
            turn.delta(run.parent_step).move(old, ending.state)
        return True

    # stopping and pausing

    def stop_run(self, turn: Turn, run_id: int, reason: StatusReason, message: str = "") -> None:
        """Ask a run and its child runs to end: one flag each. What is pending is swept, what runs is told."""
        turn.tx.lock_runs([run_id])
        run = turn.tx.run(run_id)
        if run.state.is_terminal or run.stop_reason is not None:
            return
        turn.tx.set_run_flags(
            run_id, {"stop_reason": reason, "stop_at": turn.now, "deadline": 0, "message": message or None}
        )
        turn.event("job.cancelling", run_id, run_id, reason=reason)
        turn.log_run(run, LogLevel.WARNING, "run.stopping", "run", reason=reason, message=message)
        turn.stopped_runs.append(run_id)
        for step in turn.tx.steps(run_id):
            if not step.state.is_terminal:
                turn.recheck(step.id)
        for child in turn.tx.child_runs(run_id):
            self.stop_run(turn, child, reason, message)

    def stop_step(self, turn: Turn, step: StepRow, reason: StatusReason, message: str) -> None:
        """Ask one step to end: it fails with ``reason`` once its open children are swept or done."""
        if step.state.is_terminal or step.stop_reason is not None:
            return
        turn.tx.set_step_flags(step.id, {"stop_reason": reason, "deadline": 0, "message": message})
        turn.stopped_runs.append(step.manager_id)
        turn.recheck(step.id)

    def cancel(self, turn: Turn, run_id: int) -> None:
        """Cancel by the user's wish.

        Raises:
            NotFound: no such run; Refused: it has ended already.
        """
        turn.tx.lock_runs([run_id])
        run = turn.tx.run(run_id)
        if run.state.is_terminal:
            raise Refused(f"run {run_id} has ended ({run.state.status}); there is nothing to cancel", job_id=run_id)
        self.stop_run(turn, run_id, StatusReason.USER)

    def sweep(self, turn: Turn, run_id: int) -> bool:
        """Cancel one chunk of what is pending in a stopped run or in its stopped steps; True when more is left."""
        turn.tx.lock_runs([run_id])
        run = turn.tx.run(run_id)
        for step in turn.tx.steps(run_id):
            reason = run.stop_reason or step.stop_reason
            if reason is None or step.has_runs or step.state.is_terminal:
                continue
            if step.pending == 0:
                self._cursors.pop(step.id, None)
                turn.recheck(step.id)
                continue
            ready, waiting, cursor = turn.tx.sweep(step.id, reason, self._cursors.get(step.id, 0), SWEEP_CHUNK)
            turn.delta(step.id).move(State.READY, State.CANCELLED, ready)
            turn.delta(step.id).move(State.WAITING, State.CANCELLED, waiting)
            if cursor:
                self._cursors[step.id] = cursor
            else:
                self._cursors.pop(step.id, None)
            if step.pending > ready + waiting:
                return True
        return False

    def pause(self, turn: Turn, run_id: int) -> None:
        """Start nothing more of this run (running jobs go on). One flag; Refused when it has ended."""
        turn.tx.lock_runs([run_id])
        run = turn.tx.run(run_id)
        if run.state.is_terminal:
            raise Refused(f"run {run_id} has ended ({run.state.status}); it can't be paused", job_id=run_id)
        if run.paused_at is None:
            turn.tx.set_run_flags(run_id, {"paused_at": turn.now})
            turn.event("job.paused", run_id, run_id)
            turn.log_run(run, LogLevel.INFO, "run.paused")
        for child in turn.tx.child_runs(run_id):
            if not turn.tx.run(child).state.is_terminal:
                self.pause(turn, child)

    def resume(self, turn: Turn, run_id: int) -> None:
        """Let a paused run go on; Refused when it has ended."""
        turn.tx.lock_runs([run_id])
        run = turn.tx.run(run_id)
        if run.state.is_terminal:
            raise Refused(f"run {run_id} has ended ({run.state.status}); `quaero jobs rerun` makes a new one")
        if run.paused_at is not None:
            turn.tx.set_run_flags(run_id, {"paused_at": 0})
            turn.event("job.resumed", run_id, run_id)
            turn.log_run(run, LogLevel.INFO, "run.resumed")
            turn.made_work = True
        for child in turn.tx.child_runs(run_id):
            if not turn.tx.run(child).state.is_terminal:
                self.resume(turn, child)


def day_of(now: int) -> str:
    """The UTC day of a time in µs, as log files are named."""
    return datetime.fromtimestamp(now / 1_000_000, UTC).strftime("%Y-%m-%d")
