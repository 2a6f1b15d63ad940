"""JobDispatcher: executes a definition mechanically. Order of steps, parents and children, tolerance, what follows.

A run is a state machine in the database: each method is one turn, so any process can carry on after any other.
The word orchestrator is kept for the worker that reasons; nothing here does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from quaero.definitions.conditions import ConditionView, parse_condition
from quaero.errors import Refused, StaleClaim
from quaero.model.definition import JobDefinition, Overlap, StepDefinition
from quaero.model.job import JobError
from quaero.model.log import LogLevel
from quaero.model.status import StatusReason
from quaero.ports.jobs import AttemptEnd, ChildBatch, ClaimedStep, Held, RunRow, Settled, State, StepRow
from quaero.queue.flow import PRE_JOBS, Ending, all_steps, ended_by_itself, next_change
from quaero.queue.job_manager import Definitions, JobManager, Library
from quaero.queue.monitors import JobMonitor, StepMonitor
from quaero.queue.retry import describe, judge
from quaero.queue.turn import Turn


class JobDispatcher:
    """Runs definitions. Knows which step comes next, not what any worker does."""

    def __init__(self, jobs: JobManager, definitions: Definitions, random: Random) -> None:
        self._jobs = jobs
        self._definitions = definitions
        self._random = random
        self.job_monitor = JobMonitor(jobs, definitions, self._run_ended)
        self.step_monitor = StepMonitor(jobs, self._step_ended)

    def rolled_back(self) -> None:
        """What was learnt in the turn did not happen."""
        self._definitions.forget()

    # starting

    def execute(self, turn: Turn, definition: JobDefinition, source: str, library: Library) -> int:
        """Create the run of a definition and start its first steps; returns the manager job's id at once.

        Raises:
            Refused: disabled, or a run of it is active and ``overlap`` says skip (``job_id`` names that run).
        """
        queued = self._make_way(turn, definition, definition.overlap)
        return self._start(turn, definition, self._jobs.pin(turn, definition, source, library), queued=queued)

    def execute_pinned(self, turn: Turn, definition_id: str, revision: int, overlap: Overlap | None = None) -> int:
        """As :meth:`execute`, of a definition that is stored; ``overlap`` goes before its own.

        Raises:
            NotFound: it is not stored.
        """
        definition = self._definitions.decode((definition_id, revision), turn.tx.definition(definition_id, revision))
        queued = self._make_way(turn, definition, overlap or definition.overlap)
        return self._start(turn, definition, revision, queued=queued)

    def _make_way(self, turn: Turn, definition: JobDefinition, overlap: Overlap) -> bool:
        """For a new run; True when it must wait for those that are active."""
        if not definition.enabled:
            raise Refused(f"definition {definition.id!r} is disabled (enabled = false)")
        active = self._active_runs(turn, definition.id, to_stop=overlap == "cancel_previous")
        if active and overlap == "skip":
            raise Refused(
                f"run {active[0].id} of {definition.id!r} is still active; wait for it, cancel it "
                f"(quaero jobs cancel {active[0].id}), or set overlap in [config]",
                job_id=active[0].id,
            )
        if overlap == "cancel_previous":
            for run in active:
                self._jobs.stop_run(turn, run.id, StatusReason.USER, "cancelled by a newer run")
        return bool(active) and overlap in {"queue", "cancel_previous"}

    def _start(self, turn: Turn, definition: JobDefinition, revision: int, *, queued: bool) -> int:
        created = self._jobs.create_run(turn, definition, revision, queued=queued)
        if created is None:
            raise Refused(f"definition {definition.id!r} could not be started")
        self.advance(turn, created.id)
        return created.id

    def _active_runs(self, turn: Turn, definition_id: str, *, to_stop: bool = False) -> list[RunRow]:
        """The open runs of a definition; none is added until the commit, and one that ends starts what is queued."""
        if to_stop:
            turn.tx.lock_runs(run.id for run in turn.tx.open_runs(definition_id))
        turn.tx.lock_definitions()
        return [run for run in turn.tx.open_runs(definition_id) if run.parent_step is None]

    def advance(self, turn: Turn, run_id: int) -> None:
        """Start and skip steps as far as that goes now, and end the run when nothing is left."""
        turn.tx.lock_runs([run_id])
        run = turn.tx.run(run_id)
        if run.state.is_terminal or (run.queued and run.stop_reason is None):
            return
        definition = self._definitions.of(turn, run)
        steps = all_steps(definition)
        rows = {row.name: row for row in turn.tx.steps(run_id)}

        def holds(step: StepDefinition) -> bool:
            return _holds(step, rows, definition)

        while run.stop_reason is None:
            change = next_change(
                steps,
                rows,
                failing=bool(run.failing),
                max_parallel=definition.max_parallel_steps,
                holds=holds,
            )
            if change is None:
                break
            row = rows[change.name]
            if change.action == "skip":
                ending = Ending(State.SKIPPED, change.reason, has_errors=False)
                self._jobs.change_step(turn, run, row, State.SKIPPED, ending)
            else:
                self._start_step(turn, run, definition, row)
            rows[change.name] = turn.tx.step(row.id)
        self.job_monitor.steps_changed(turn, turn.tx.run(run_id), list(rows.values()))

    def _start_step(self, turn: Turn, run: RunRow, definition: JobDefinition, row: StepRow) -> None:
        if row.name == PRE_JOBS:
            self._start_child_runs(turn, run, row, definition.pre_jobs)
            return
        self._jobs.change_step(turn, run, row, State.READY)
        if row.sealed:
            # A step of a retry: there is nothing to plan.
            self._copy_failed(turn, run, row)
            self._jobs.start_run(turn, run)
            ready = turn.tx.step(row.id)
            self._jobs.change_step(turn, run, ready, State.RUNNING)
            turn.recheck(row.id)
        timeout = definition.step(row.name).timeout
        if timeout is not None:
            turn.tx.set_step_flags(row.id, {"deadline": turn.now + int(timeout * 1_000_000)})
            turn.may_fall_due = True
        turn.made_work = True

    def _copy_failed(self, turn: Turn, run: RunRow, row: StepRow) -> None:
        # Not before the step starts: jobs are handed out as soon as they are there.
        if run.rerun_of is not None:
            before = next(step for step in turn.tx.steps(run.rerun_of) if step.name == row.name)
            family = turn.tx.upkeep.retry_family(run.id)
            copied = turn.tx.copy_failed_children(before.id, run.id, row.id, family)
            turn.delta(row.id).create(State.READY, copied)

    def _start_child_runs(self, turn: Turn, run: RunRow, row: StepRow, names: Sequence[str]) -> None:
        self._jobs.start_run(turn, run)
        self._jobs.change_step(turn, run, row, State.RUNNING)
        turn.tx.set_step_flags(row.id, {"sealed": 1})
        for name in names:
            child = self._create_pinned(turn, name, root_id=run.root_id, parent_step=row.id)
            if child is None:
                continue
            turn.delta(row.id).create(State.WAITING)
            self.advance(turn, child)
            if run.paused_at is not None:
                self._jobs.pause(turn, child)
        turn.recheck(row.id)

    def _create_pinned(self, turn: Turn, name: str, *, root_id: int, parent_step: int | None) -> int | None:
        revision = turn.tx.newest_revision(name)
        if revision is None:
            return None
        definition = self._definitions.decode((name, revision), turn.tx.definition(name, revision))
        key = None if parent_step is None else name
        run = self._jobs.create_run(turn, definition, revision, root_id=root_id, parent_step=parent_step, child_key=key)
        return None if run is None else run.id

    # planning

    def steps_claimed(self, turn: Turn, claimed: Sequence[ClaimedStep]) -> None:
        """These steps are being planned now; a run begins with its first."""
        turn.tx.lock_steps(c.id for c in claimed)
        for step_id in (c.id for c in claimed):
            step = turn.tx.step(step_id)
            run = turn.tx.run(step.manager_id)
            self._jobs.start_run(turn, run)
            turn.event(
                "step.status",
                run.id,
                step.id,
                step_name=step.name,
                step_type=step.worker_type,
                index=step.position,
                old=State.READY.status,
                new=State.RUNNING.status,
                reason=None,
                child_count=step.total,
            )
            turn.log_step(run, step, LogLevel.INFO, "step.started", "init", worker_type=step.worker_type)

    def expand(self, turn: Turn, held: Held, children: ChildBatch) -> int:
        """One chunk of a step's jobs; those that are there already (by key) are left alone.

        Raises:
            StaleClaim: the plan is no longer this attempt's to make, or the step is being stopped.
        """
        if children.has_dedup:
            turn.tx.lock_dedup()
        run_id = self._planned_run(turn, held)
        added = turn.tx.add_children(run_id, held.id, children)
        turn.delta(held.id).create(State.READY, added)
        turn.made_work = True
        return added

    def seal(self, turn: Turn, held: Held, *, planned: int, warnings: int, plan_hash: str, message: str = "") -> None:
        """All jobs of the step are made: from now on the last one to end closes it."""
        step = self._held_step(turn, held)
        turn.tx.set_step_flags(
            step.id, {"sealed": 1, "plan_hash": plan_hash, "warnings": warnings, "message": message or None}
        )
        turn.tx.release_claim(step.id)
        run = turn.tx.run(step.manager_id)
        turn.log_step(run, step, LogLevel.INFO, "step.planned", "init", jobs=planned, warnings=warnings)
        self.job_monitor.children_failed(turn, run.id)
        turn.recheck(step.id)

    def reuse(self, turn: Turn, held: Held, old_run: int, old_step: int, age_hours: float) -> None:
        """A hit of the step cache: the old step's documents count as this one's, and it is done."""
        step = self._held_step(turn, held)
        run = turn.tx.run(step.manager_id)
        linked = turn.tx.copy_documents(old_run, run.id, {old_step: step.id})
        turn.tx.set_step_flags(step.id, {"sealed": 1, "documents": linked.get(step.id, 0)})
        turn.log_step(run, step, LogLevel.INFO, "step.reused", "run", of_run=old_run, age_hours=round(age_hours, 2))
        ending = Ending(State.COMPLETED, StatusReason.REUSED, has_errors=False, message=f"reused from run {old_run}")
        if self._jobs.change_step(turn, run, step, State.COMPLETED, ending):
            self._step_ended(turn, run, turn.tx.step(step.id))

    def planning_failed(
        self, turn: Turn, held: Held, error: BaseException, failures: int, process_id: int | None
    ) -> None:
        """The plan raised. Tried again by the step's policy, else the step fails and its jobs are cancelled."""
        turn.tx.lock_steps([held.id])
        if not turn.tx.accepted([held]):
            return
        step = turn.tx.step(held.id)
        run = turn.tx.run(step.manager_id)
        policy = self._definitions.of(turn, run).step(step.name).retry
        verdict = judge(error, policy, failures + 1, self._random)
        described = describe(error)
        outcome = "failed" if verdict.delay_us is None else "retried"
        turn.tx.add_attempts(process_id, [AttemptEnd(held.id, held.attempt, outcome, described)])
        self._note_error(turn, run, step, described, will_retry=verdict.delay_us is not None)
        if verdict.delay_us is not None:
            due = turn.now + verdict.delay_us
            turn.tx.settle([Settled(held.id, held.attempt, State.WAITING, None, due, 1)])
            turn.may_fall_due = True
            turn.recheck(held.id)
            return
        turn.tx.release_claim(held.id)
        self._jobs.stop_step(turn, step, verdict.reason or StatusReason.ERROR, described.message)
        turn.tx.set_step_flags(step.id, {"sealed": 1})
        turn.recheck(step.id)

    def planning_stopped(self, turn: Turn, held: Held) -> None:
        """The plan was given up: by a stop (the step then closes), or by this process, and another makes it."""
        turn.tx.lock_steps([held.id])
        if not turn.tx.accepted([held]):
            return
        if turn.stop_reason(held.id) is None:
            turn.tx.settle([Settled(held.id, held.attempt, State.READY)])
            turn.made_work = True
        else:
            turn.tx.release_claim(held.id)
            turn.recheck(held.id)

    def _planned_run(self, turn: Turn, held: Held) -> int:
        plan = turn.tx.plan_of(held)
        if plan is None:
            raise StaleClaim(f"step {held.id} is no longer planned by attempt {held.attempt}")
        run_id, is_stopped = plan
        if is_stopped:
            raise StaleClaim(f"step {held.id} is being stopped")
        return run_id

    def _held_step(self, turn: Turn, held: Held) -> StepRow:
        self._planned_run(turn, held)
        return turn.tx.step(held.id)

    def _note_error(self, turn: Turn, run: RunRow, step: StepRow, error: JobError, *, will_retry: bool) -> None:
        level = LogLevel.WARNING if will_retry else LogLevel.ERROR
        turn.log_step(run, step, level, "step.planning_failed", "init", error=error.message, type=error.type)
        turn.tx.put_results([(step.id, None, turn.encode(error))])

    # what follows

    def _step_ended(self, turn: Turn, run: RunRow, step: StepRow) -> None:
        definition = self._definitions.of(turn, run)
        if step.cache_key and step.state is State.COMPLETED and not step.has_errors and step.reason is None:
            turn.tx.put_cached_step(definition.id, step.name, step.cache_key, run.id, step.id)
            turn.tx.trim_step_cache(definition.id, step.name, definition.step(step.name).cache.revisions)
        if step.state is State.FAILED and run.stop_reason is None and step.name != PRE_JOBS:
            on_error = definition.step(step.name).on_error
            if on_error == "fatal":
                self._jobs.stop_run(turn, run.id, StatusReason.FATAL, f"step {step.name} failed")
            elif on_error in {"fail", "retry"}:
                turn.tx.set_run_flags(run.id, {"failing": 1})
        self.advance(turn, run.id)

    def _run_ended(self, turn: Turn, run: RunRow, state: State) -> None:
        definition = self._definitions.of(turn, run)
        if definition.post_on == "always" or state is State.COMPLETED:
            for name in definition.post_jobs:
                post = self._create_pinned(turn, name, root_id=run.root_id, parent_step=None)
                if post is not None:
                    self.advance(turn, post)
        self._start_queued(turn, run.definition_id)

    def _start_queued(self, turn: Turn, definition_id: str) -> None:
        # Its root before the definitions, as everybody does.
        turn.tx.lock_runs([run.id for run in turn.tx.open_runs(definition_id) if run.queued][:1])
        turn.tx.lock_definitions()
        waiting = turn.tx.open_runs(definition_id)
        if any(not run.queued and run.parent_step is None for run in waiting):
            return
        for run in waiting:
            if run.queued:
                timeout = self._definitions.of(turn, run).timeout
                deadline = None if timeout is None else turn.now + int(timeout * 1_000_000)
                turn.tx.set_run_flags(run.id, {"queued": 0, "deadline": deadline})
                turn.may_fall_due = turn.may_fall_due or deadline is not None
                self.advance(turn, run.id)
                return

    # running again what has ended

    def rerun(
        self,
        turn: Turn,
        run_id: int,
        *,
        keep: Callable[[str, Mapping[str, StepRow]], bool],
        retry_failed: bool = False,
        family: str | None = None,
    ) -> int:
        """A new run on the old one's pinned definition.

        ``keep`` names the steps that enter as completed (reason ``reused``), with the old run's documents; one that
        did not complete enters as it ended. With ``retry_failed`` a step with failed jobs enters with these only,
        unless it was stopped before its end or follows one that runs again. With ``family`` it enters with the failed
        jobs of this family of errors, even if it was stopped.

        Raises:
            Refused: the old run is still active.
        """
        # Nobody deletes it meanwhile.
        turn.tx.lock_runs([run_id])
        old = turn.tx.run(run_id)
        if not old.state.is_terminal:
            raise Refused(f"run {run_id} is still active ({old.state.status})", job_id=run_id)
        definition = self._definitions.of(turn, old)
        active = self._active_runs(turn, old.definition_id)
        if active and definition.overlap == "skip":
            raise Refused(f"run {active[0].id} of {old.definition_id!r} is still active", job_id=active[0].id)
        queued = bool(active) and definition.overlap != "allow"
        new = self._jobs.create_run(turn, definition, old.revision, rerun_of=run_id, queued=queued)
        if new is None:
            raise Refused(f"run {run_id} could not be started again")
        if family is not None:
            turn.tx.upkeep.set_retry_family(new.id, family)
        old_steps = {step.name: step for step in turn.tx.steps(run_id)}
        depends = {step.name: step.depends for step in all_steps(definition)}
        mapping: dict[int, int] = {}

        def follows_kept(name: str) -> bool:
            return all(keep(before, old_steps) for before in depends[name])

        for step in turn.tx.steps(new.id):
            before = old_steps[step.name]
            if keep(step.name, old_steps):
                mapping[before.id] = step.id
                ending = _kept(before, with_errors=family is not None)
                self._jobs.change_step(turn, new, step, ending.state, ending)
            elif (
                retry_failed
                and before.failed
                and (family is not None or ended_by_itself(old, before))
                and follows_kept(step.name)
            ):
                mapping[before.id] = step.id
                turn.tx.set_step_flags(step.id, {"sealed": 1})
        linked = turn.tx.copy_documents(run_id, new.id, mapping)
        for step_id, count in linked.items():
            turn.tx.set_step_flags(step_id, {"documents": count})
        self.advance(turn, new.id)
        return new.id


def _kept(before: StepRow, *, with_errors: bool) -> Ending:
    """How a step of a rerun ends that is not run again."""
    if before.state is State.COMPLETED:
        return Ending(State.COMPLETED, StatusReason.REUSED, has_errors=with_errors and bool(before.has_errors))
    return Ending(before.state, before.reason, has_errors=bool(before.has_errors), message=before.message)


def _holds(step: StepDefinition, rows: Mapping[str, StepRow], definition: JobDefinition) -> bool:
    if not step.condition:
        return True
    view = ConditionView(
        statuses={name: str(row.state.status) for name, row in rows.items()},
        documents={name: row.document_count for name, row in rows.items()},
        config=definition.config,
    )
    return parse_condition(step.condition).evaluate(view)
