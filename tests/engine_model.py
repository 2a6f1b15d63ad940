"""The engine's rules once more, over plain objects: what the state machine holds the real engine against.

Written from the rules (statuses, completion, flow control, tolerance, running again), not from the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from quaero.model.definition import JobDefinition, StepDefinition

PENDING = ("ready", "waiting")
OVER = ("completed", "failed", "cancelled", "skipped")
MAX_LOST = 10


@dataclass
class MJob:
    """A worker job."""

    id: int
    key: str
    priority: int = 0
    limit_key: str | None = None
    status: str = "ready"
    reason: str | None = None
    attempt: int = 0
    failures: int = 0
    lost: int = 0
    due: int = 0
    holder: int | None = None

    @property
    def is_suspect(self) -> bool:
        return self.lost >= 2


@dataclass
class MStep:
    """A step: ``blocked`` by others, ``ready`` to be planned, ``waiting`` to be planned again, ``running`` or over."""

    id: int
    definition: StepDefinition
    run: MRun
    status: str = "blocked"
    reason: str | None = None
    has_errors: bool = False
    sealed: bool = False
    attempt: int = 0
    failures: int = 0
    lost: int = 0
    due: int = 0
    planner: int | None = None
    stop: str | None = None
    deadline: int | None = None
    jobs: dict[str, MJob] = field(default_factory=dict)
    copies: list[MJob] = field(default_factory=list)
    """Failed jobs of the run before, to be made again when the step starts."""
    documents: set[str] = field(default_factory=set)
    retried: int = 0

    def count(self, *statuses: str) -> int:
        return sum(job.status in statuses for job in self.jobs.values())

    @property
    def open(self) -> int:
        return self.count("ready", "waiting", "running")

    @property
    def why_stopped(self) -> str | None:
        return self.run.stop or self.stop


@dataclass
class MRun:
    """A run with its steps in file order."""

    id: int
    definition: JobDefinition
    queued: bool = False
    status: str = "pending"
    reason: str | None = None
    has_errors: bool = False
    paused: bool = False
    stop: str | None = None
    failing: bool = False
    warned: bool = False
    deadline: int | None = None
    steps: dict[str, MStep] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.status in OVER


class Model:
    """Every run there is. Each method is one thing that happens; ``settle`` draws the consequences."""

    def __init__(self) -> None:
        self.runs: dict[int, MRun] = {}
        self.next_id = 1

    @property
    def steps(self) -> list[MStep]:
        return [step for run in self.runs.values() for step in run.steps.values()]

    def job(self, job_id: int) -> tuple[MStep, MJob]:
        return next((step, job) for step in self.steps for job in step.jobs.values() if job.id == job_id)

    def active(self, definition_id: str) -> list[MRun]:
        return [run for run in self.runs.values() if run.definition.id == definition_id and not run.is_over]

    # runs

    def start(self, run: MRun, now: int) -> None:
        if run.definition.overlap == "cancel_previous":
            for older in self.active(run.definition.id):
                self.stop_run(older, "user")
        self.runs[run.id] = run
        if not run.queued and run.definition.timeout is not None:
            run.deadline = now + int(run.definition.timeout * 1e6)
        self.settle(now)

    def stop_run(self, run: MRun, reason: str) -> None:
        if not run.is_over and run.stop is None:
            run.stop, run.deadline = reason, None

    def pass_time(self, now: int) -> None:
        for run in self.runs.values():
            if run.deadline is not None and run.deadline <= now:
                self.stop_run(run, "timeout")
        for step in self.steps:
            if step.deadline is not None and step.deadline <= now and step.status not in OVER:
                step.stop, step.deadline = step.stop or "timeout", None
            if step.status == "waiting" and step.due <= now:
                step.status = "ready"
            for job in step.jobs.values():
                if job.status == "waiting" and job.due <= now:
                    job.status = "ready"
        self.settle(now)

    # plans

    def claim_step(self, step: MStep, process: int) -> None:
        step.status, step.planner = "running", process
        step.attempt += 1
        if step.run.status == "pending":
            step.run.status = "running"

    def plan_failed(self, step: MStep, now: int, *, permanent: bool) -> None:
        policy = step.definition.retry
        step.planner = None
        if not permanent and step.failures + 1 < policy.max_attempts:
            step.failures += 1
            step.status, step.due = "waiting", now + int(policy.backoff * 2 ** (step.failures - 1) * 1e6)
        else:
            exhausted = "exhausted" if policy.max_attempts > 1 else "error"
            if step.stop is None:
                step.stop, step.deadline = "permanent" if permanent else exhausted, None
            step.sealed = True
        self.settle(now)

    def plan_given_up(self, step: MStep, now: int, *, lost: bool = False) -> None:
        step.planner = None
        if lost:
            step.lost += 1
            if step.lost >= MAX_LOST:
                step.stop, step.sealed, step.deadline = step.stop or "crash_loop", True, None
            else:
                step.status = "ready"
        elif step.why_stopped is None:
            step.status = "ready"
        self.settle(now)

    def sealed(self, step: MStep, now: int) -> None:
        step.sealed, step.planner = True, None
        self.judge(step.run)
        self.settle(now)

    # jobs

    def end(self, step: MStep, job: MJob, kind: str, reason: str | None, due: int = 0) -> bool:
        """One attempt ends; True when the job failed for good."""
        job.holder = None
        if kind == "retried":
            step.retried += step.why_stopped is None
            job.failures += 1
        if kind in {"retried", "snoozed", "released", "lost"} and step.why_stopped is not None:
            kind, reason = "cancelled", step.why_stopped
        if kind == "lost":
            job.lost += 1
            kind, reason = ("failed", "crash_loop") if job.lost >= MAX_LOST else ("released", None)
        if kind == "failed" and reason != "crash_loop":
            job.failures += 1
        job.due = due
        job.reason = reason
        job.status = {"retried": "waiting", "snoozed": "waiting", "released": "ready"}.get(kind, kind)
        return job.status == "failed"

    def judge(self, run: MRun) -> None:
        """Error tolerance: counted over the run, a percentage only while no step is being planned."""
        tolerance = run.definition.tolerance
        steps = run.steps.values()
        failed, total = sum(s.count("failed") for s in steps), sum(len(s.jobs) for s in steps)
        planning = any(s.status in {"ready", "waiting", "running"} and not s.sealed for s in steps)
        hit = 0 < tolerance.max_child_failures <= failed
        if tolerance.max_child_failure_percent and total and not planning:
            hit = hit or 100 * failed / total >= tolerance.max_child_failure_percent
        if hit and run.stop is None and tolerance.failure_action == "stop_all":
            self.stop_run(run, "tolerance")
        elif hit and run.stop is None and tolerance.failure_action == "mark_warning":
            run.warned = True

    # consequences

    def settle(self, now: int) -> None:
        changed = True
        while changed:
            changed = False
            for step in sorted(self.steps, key=lambda step: step.id):
                changed |= self._close(step, now)
            for run in self.runs.values():
                changed |= self._advance(run, now) or self._close_run(run, now)

    def _close(self, step: MStep, now: int) -> bool:
        if step.status in OVER or step.open or step.planner is not None:
            return False
        stopped = step.why_stopped is not None
        if not stopped and (step.status in {"blocked", "ready", "waiting"} or not step.sealed):
            return False
        step.status, step.reason, step.has_errors = self._ending(step)
        step.sealed, step.deadline = True, None
        run = step.run
        if step.status == "failed" and run.stop is None:
            if step.definition.on_error == "fatal":
                self.stop_run(run, "fatal")
            elif step.definition.on_error in {"fail", "retry"}:
                run.failing = True
        self._advance(run, now)
        return True

    def _ending(self, step: MStep) -> tuple[str, str | None, bool]:
        failed, completed = step.count("failed"), step.count("completed")
        if step.run.stop == "fatal" and step.status in {"blocked", "ready"} and not step.attempt and not step.jobs:
            return "skipped", "fatal", False
        if step.run.stop is not None:
            return "cancelled", step.run.stop, bool(failed)
        if step.stop is not None:
            return "failed", step.stop, True
        if completed or not step.jobs:
            return "completed", None, bool(failed)
        return ("failed", "error", True) if failed else ("cancelled", None, False)

    def _advance(self, run: MRun, now: int) -> bool:
        changed = False
        while not run.queued and not run.is_over and run.stop is None and self._change_one(run, now):
            changed = True
        return changed

    def _change_one(self, run: MRun, now: int) -> bool:
        active = sum(s.status in {"ready", "waiting", "running"} for s in run.steps.values())
        for step in run.steps.values():
            needed = step.definition
            unstarted = step.status == "ready" and step.attempt == 0
            if run.failing and not needed.always_run and (step.status == "blocked" or unstarted):
                step.status, step.reason, step.sealed, step.deadline = "skipped", "dependency", True, None
                return True
            before = [run.steps[name].status for name in needed.depends]
            if step.status != "blocked" or any(status not in OVER for status in before):
                continue
            if not needed.always_run and any(status != "completed" for status in before):
                step.status, step.reason, step.sealed = "skipped", "dependency", True
                return True
            if needed.condition:
                step.status, step.reason, step.sealed = "skipped", "condition", True
                return True
            if active < run.definition.max_parallel_steps:
                self._start_step(step, now)
                return True
        return False

    def _start_step(self, step: MStep, now: int) -> None:
        step.status = "ready"
        if step.sealed:
            step.status = step.run.status = "running"
            for job in step.copies:
                made = MJob(0, job.key, job.priority, job.limit_key)
                step.jobs[job.key] = made
        if step.definition.timeout is not None:
            step.deadline = now + int(step.definition.timeout * 1e6)

    def _close_run(self, run: MRun, now: int) -> bool:
        steps = run.steps.values()
        if run.is_over or (run.queued and run.stop is None) or any(s.status not in OVER for s in steps):
            return False
        failed = [s for s in steps if s.status == "failed"]
        ran = [s for s in steps if s.status != "skipped"]
        run.queued, run.deadline = False, None
        if run.stop == "user":
            run.status, run.reason = "cancelled", "user"
        elif run.stop is not None:
            run.status, run.reason, run.has_errors = "failed", run.stop, True
        elif run.failing or (failed and len(failed) == len(ran)):
            run.status, run.reason, run.has_errors = "failed", "error", True
        else:
            run.status = "completed"
            run.has_errors = run.warned or any(s.status == "failed" or s.has_errors for s in steps)
        self._next_in_queue(run, now)
        return True

    def _next_in_queue(self, ended: MRun, now: int) -> None:
        waiting = self.active(ended.definition.id)
        queued = [run for run in waiting if run.queued and run.stop is None]
        if queued and not any(not run.queued for run in waiting):
            queued[0].queued = False
            if queued[0].definition.timeout is not None:
                queued[0].deadline = now + int(queued[0].definition.timeout * 1e6)
