"""Why is this not running? The reasons that hold now, the outermost first, each in a sentence.

Reads only. What is told is how things stood at one look; a claim that takes place meanwhile may have changed them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from quaero.definitions.durations import format_duration
from quaero.model.definition import JobDefinition, Limits, StepDefinition
from quaero.model.status import JobKind, JobStatus, StatusReason
from quaero.ports.insight import JobInsight, JobState, RunningJob
from quaero.ports.jobs import JobStore, Limiter, ProcessRow, RunRow, State, StepRow
from quaero.queue.claims import LaneLimits
from quaero.queue.flow import all_steps, is_active, is_blocked
from quaero.queue.job_manager import Definitions
from quaero.queue.limits import SECOND, allowance, tightest_rate
from quaero.queue.membership import capabilities_of

ReasonCode = Literal[
    "ended",
    "running",
    "run_queued",
    "run_paused",
    "stopping",
    "waits_for_step",
    "condition_open",
    "parallel_steps",
    "back_off",
    "snoozed",
    "suspect",
    "limiter_full",
    "rate_limited",
    "no_node",
    "no_capability",
    "no_worker_type",
    "waits_for_planning",
    "slots_busy",
    "about_to_start",
]
SUSPECT_RESCUES = 2
HOLDERS = 20
COUNTED = 100_000
"""Jobs ahead are counted up to here."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A running job that holds a slot others wait for."""

    job_id: int
    run_id: int
    process_id: int | None
    since: datetime | None


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason. What is None does not apply, or can't be told."""

    code: ReasonCode
    message: str
    job_id: int | None = None
    """The job in the way, or that this reason is about: a run, a step or a worker job."""
    limiter: str | None = None
    """The worker type whose limit it is."""
    key: str | None = None
    capability: str | None = None
    process_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    estimated_start: datetime | None = None
    ahead: int | None = None
    """Jobs that come before it, roughly."""
    holders: list[Holder] = []


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """How a job stands, and why. ``estimated_start``: of the latest that a reason could tell."""

    job_id: int
    kind: JobKind
    status: JobStatus
    as_of: datetime
    reasons: list[Reason]
    estimated_start: datetime | None = None


class Explainer:
    """Answers for any job. May be asked from any thread."""

    def __init__(
        self,
        store: JobStore,
        insight: JobInsight,
        definitions: Definitions,
        *,
        server_limits: Mapping[str, Limits],
        worker_types: Collection[str],
        now: Callable[[], int],
    ) -> None:
        """``server_limits``: those of the settings; ``worker_types``: what this program can run; ``now`` in µs."""
        self.store = store
        self.insight = insight
        self.definitions = definitions
        self.server_limits = server_limits
        self.worker_types = worker_types
        self.now = now

    def why(self, job_id: int) -> Why:
        """Raises NotFound."""
        job = self.insight.job(job_id)
        look = _Look(self, job)
        if job.kind is JobKind.MANAGER:
            look.run_job()
        elif job.kind is JobKind.STEP:
            look.step_job()
        else:
            look.worker_job()
        estimates = [r.estimated_start for r in look.reasons if r.estimated_start is not None]
        return Why(
            job_id=job.id,
            kind=job.kind,
            status=job.state.status,
            as_of=_time(look.now),
            reasons=look.reasons,
            estimated_start=max(estimates, default=None),
        )

    def definition(self, run: RunRow) -> JobDefinition:
        return self.definitions.decode(
            (run.definition_id, run.revision), self.store.definition(run.definition_id, run.revision)
        )


class _Look:
    """One answer in the making."""

    def __init__(self, explainer: Explainer, job: JobState) -> None:
        self._store = explainer.store
        self._insight = explainer.insight
        self._server_limits = explainer.server_limits
        self._worker_types = explainer.worker_types
        self._definition = explainer.definition
        self.now = explainer.now()
        self.reasons: list[Reason] = []
        self._job = job

    def _add(self, code: ReasonCode, message: str, **facts: object) -> None:
        self.reasons.append(Reason(code=code, message=message, **facts))  # type: ignore[arg-type]

    # the three kinds

    def run_job(self) -> None:
        run = self._store.run(self._job.id)
        if self._has_ended(self._job):
            return
        self._holds_of(run)
        steps = self._store.steps(run.id)
        if run.state is State.RUNNING:
            self._running(self._job, f"the run is at work: {_steps_in_words(steps)}")
        if self._is_held(run):
            return
        if not any(step.running for step in steps):
            # Nothing in it runs: what its first open step waits for is what it waits for.
            first = next((s for s in steps if is_active(s)), None) or next((s for s in steps if is_blocked(s)), None)
            if first is not None and not first.has_runs:
                self._step(run, first, self._insight.job(first.id))

    def step_job(self) -> None:
        if self._has_ended(self._job):
            return
        row = self._store.step(self._job.id)
        run = self._store.run(row.manager_id)
        self._holds_of(run)
        self._step(run, row, self._job)

    def worker_job(self) -> None:
        job = self._job
        if self._has_ended(job):
            return
        if job.state is State.RUNNING:
            self._running(job, "it runs")
            return
        step = self._store.step(job.parent_id or 0)
        run = self._store.run(job.manager_id)
        self._holds_of(run)
        self._stopping_step(step)
        self._worker(run, step, job)

    # common to all

    def _has_ended(self, job: JobState) -> bool:
        if job.state.is_terminal:
            why = f" ({job.reason})" if job.reason else ""
            when = f" at {_clock(job.finished_at)}" if job.finished_at else ""
            message = f"it has ended: {job.state.status}{why}{when}"
            self._add("ended", message, job_id=job.id, since=_at(job.finished_at))
        return job.state.is_terminal

    def _running(self, job: JobState, what: str) -> None:
        node = self._node(job.claimed_by)
        on = f" on {node}" if node else ""
        since = f" since {_clock(job.started_at)}" if job.started_at else ""
        self._add("running", f"{what}{on}{since}", job_id=job.id, process_id=job.claimed_by, since=_at(job.started_at))

    def _holds_of(self, run: RunRow) -> None:
        """What holds this run, or one that it is part of."""
        chain = [run]
        while chain[-1].parent_step is not None:
            chain.append(self._store.run(self._store.step(chain[-1].parent_step).manager_id))
        for found in reversed(chain):
            which = f"run {found.id}" + ("" if found is run else ", of which this is a part,")
            if found.stop_reason is not None:
                self._add("stopping", f"{which} is being ended ({_told(found.stop_reason)})", job_id=found.id)
            if found.paused_at is not None:
                message = f"{which} is paused since {_clock(found.paused_at)}"
                self._add("run_paused", message, job_id=found.id, since=_at(found.paused_at))
            if found.queued:
                self._queued(found)

    def _queued(self, run: RunRow) -> None:
        open_runs = [r for r in self._insight.open_runs(run.definition_id) if r.parent_step is None and r.id != run.id]
        before = [r for r in open_runs if not r.queued] + [r for r in open_runs if r.queued and r.id < run.id]
        if not before:
            self._add("run_queued", f"run {run.id} is queued, and its turn comes now", job_id=run.id)
            return
        first = before[0]
        more = f" ({len(before) - 1} more are queued before it)" if len(before) > 1 else ""
        message = f"run {run.id} waits for the end of run {first.id} of {run.definition_id!r}{more}"
        self._add("run_queued", message, job_id=first.id, ahead=len(before))

    def _stopping_step(self, step: StepRow) -> None:
        if step.stop_reason is not None and not step.state.is_terminal:
            message = f"step {step.name!r} is being ended ({_told(step.stop_reason)})"
            self._add("stopping", message, job_id=step.id)

    # steps

    def _step(self, run: RunRow, row: StepRow, job: JobState) -> None:
        definition = self._definition(run)
        self._stopping_step(row)
        if is_blocked(row):
            self._blocked(definition, row, run)
        elif row.state is State.WAITING:
            self._put_off(job, "planning it again")
        elif row.state is State.READY:
            self._unplanned(run, row, job)
        elif row.claimed_by is not None:
            self._running(job, f"step {row.name!r} is being planned")
        else:
            counts = f"{row.running:,} of its jobs run, {row.pending:,} are pending"
            self._running(job, f"step {row.name!r} is at work: {counts}")
            if row.pending and not row.running and not row.has_runs:
                first = self._insight.next_job(row.id)
                if first is not None:
                    self._worker(run, row, self._insight.job(first))

    def _blocked(self, definition: JobDefinition, row: StepRow, run: RunRow) -> None:
        steps = {step.name: step for step in all_steps(definition)}
        rows = {step.name: step for step in self._store.steps(run.id)}
        given = steps.get(row.name)
        if given is None:
            return
        waiting = [rows[name] for name in given.depends if not rows[name].state.is_terminal]
        for before in waiting:
            message = f"step {row.name!r} waits for step {before.name!r}, which is {_step_in_words(before)}"
            self._add("waits_for_step", message, job_id=before.id)
        if given.condition:
            when = "once these steps have ended" if waiting else "when it can start"
            message = f"whether step {row.name!r} runs is decided {when}: {given.condition}"
            self._add("condition_open", message, job_id=row.id)
        active = [step for step in rows.values() if is_active(step)]
        if not waiting and len(active) >= definition.max_parallel_steps:
            names = ", ".join(step.name for step in active)
            message = f"{len(active)} steps of the run are at work ({names}); max_parallel_steps allows no more"
            self._add("parallel_steps", message, job_id=active[0].id)

    def _unplanned(self, run: RunRow, row: StepRow, job: JobState) -> None:
        if self._held_up(run, row):
            return
        if not self._find_nodes(row, job, "planned"):
            return
        ahead = self._insight.steps_ahead(job, COUNTED)
        planning = sum(self._insight.planning().values())
        if ahead or planning:
            message = (
                f"step {row.name!r} waits to be planned: {planning} steps are being planned, "
                f"{ahead} more come before it"
            )
            self._add("waits_for_planning", message, job_id=row.id, ahead=ahead)
        else:
            self._add("about_to_start", f"step {row.name!r} is planned as soon as a node looks", job_id=row.id)

    # worker jobs

    def _worker(self, run: RunRow, step: StepRow, job: JobState) -> None:
        if job.state is State.RUNNING or job.state.is_terminal or self._held_up(run, step):
            return
        if job.state is State.WAITING:
            self._put_off(job, "trying it again")
            return
        self._suspect(job)
        definition = self._definition(run)
        given = next((s for s in all_steps(definition) if s.name == step.name), None)
        limited = given is not None and self._limited(step, given, job)
        if not self._find_nodes(step, job, "executed"):
            return
        self._in_line(step, job, limited=limited)

    def _held_up(self, run: RunRow, step: StepRow) -> bool:
        """Whether nothing is handed out whatever else is so; told already."""
        return self._is_held(run) or step.stop_reason is not None

    def _is_held(self, run: RunRow) -> bool:
        return bool(run.queued) or run.paused_at is not None or run.stop_reason is not None

    def _put_off(self, job: JobState, what: str) -> None:
        until = job.available_at or self.now
        facts = {"job_id": job.id, "until": _at(until), "estimated_start": _at(max(until, self.now))}
        if job.failures:
            times = "once" if job.failures == 1 else f"{job.failures} times"
            self._add("back_off", f"it has failed {times}; {what} waits until {_clock(until)}", **facts)
        else:
            self._add("snoozed", f"it asked to be run again at {_clock(until)}", **facts)

    def _suspect(self, job: JobState) -> None:
        if job.rescues < SUSPECT_RESCUES:
            return
        running = self._insight.suspects_running()
        message = f"its process was lost {job.rescues} times while it ran; such jobs run one at a time in a process"
        if running:
            message += f", and job {running[0].id} is one that runs now"
        self._add("suspect", message, job_id=running[0].id if running else job.id, holders=_holders(running))

    def _limited(self, step: StepRow, given: StepDefinition, job: JobState) -> bool:
        """Whether a limit holds the job back now; the step's own (maybe by key), and the server's for its type."""
        server = self._server_limits.get(step.worker_type, Limits())
        lane = LaneLimits(step.worker_type, given.limits, server)
        if not lane.is_limited:
            return False
        by_key = given.limits.key and job.limit_key
        buckets = {"": [server] if by_key else [server, given.limits]}
        if by_key:
            buckets[str(job.limit_key)] = [given.limits]
        limiters = self._insight.limiters(step.worker_type, list(buckets))
        before = len(self.reasons)
        for key, limits in buckets.items():
            self._bucket(step, job, key, limits, limiters.get(key, Limiter(key, 0, None, None)))
        return len(self.reasons) > before

    def _bucket(self, step: StepRow, job: JobState, key: str, limits: Sequence[Limits], limiter: Limiter) -> None:
        shown = {"job_id": job.id, "limiter": step.worker_type, "key": key or None}
        whose = f"{step.worker_type} jobs" + (f" with key {key!r}" if key else "")
        most = min((limit.concurrency for limit in limits if limit.concurrency is not None), default=None)
        if most is not None and limiter.in_use >= most:
            running = self._insight.running(step.worker_type, key or None, HOLDERS)
            held = ", ".join(f"job {r.id} since {_clock(r.started_at)}" for r in running[:3])
            more = f" and {limiter.in_use - 3} more" if limiter.in_use > 3 else ""
            message = f"{limiter.in_use} of at most {most} {whose} run" + (f": {held}{more}" if held else "")
            self._add("limiter_full", message, **{**shown, "holders": _holders(running)})
        rate = tightest_rate(limits)
        allowed = allowance([Limits(rate=rate)], limiter, self.now, 1)
        if rate is not None and allowed.next_at is not None:
            ahead = self._insight.ahead(job, COUNTED)
            start = allowed.next_at + int(ahead * rate.seconds * SECOND / rate.count)
            message = (
                f"{whose} start at most {rate.count} times in {format_duration(rate.seconds)}; "
                f"the next one may at {_clock(allowed.next_at)}" + (f", and {ahead:,} come before it" if ahead else "")
            )
            self._add(
                "rate_limited", message, **shown, until=_at(allowed.next_at), estimated_start=_at(start), ahead=ahead
            )

    # nodes and slots

    def _living(self) -> list[ProcessRow]:
        lease_now = self._store.lease_now()
        return [node for node in self._store.processes() if node.lease_until > lease_now]

    def _able(self, step: StepRow, job: JobState) -> list[ProcessRow]:
        wanted = {*self._insight.step_needs(step.id)} | ({job.needs} if job.needs else set())
        executing = [node for node in self._living() if node.slots and not node.draining]
        return [node for node in executing if wanted <= capabilities_of(node)]

    def _find_nodes(self, step: StepRow, job: JobState, what: str) -> bool:
        """Whether some node could take it; else says what is missing."""
        executing = [node for node in self._living() if node.slots and not node.draining]
        if not executing:
            others = "; those that live are being stopped" if any(n.slots for n in self._living()) else ""
            message = f"no node executes jobs{others}: start one (quaero serve, or quaero worker)"
            self._add("no_node", message, job_id=job.id)
            return False
        wanted = {*self._insight.step_needs(step.id)} | ({job.needs} if job.needs else set())
        if wanted and not self._able(step, job):
            offered = [capabilities_of(node) for node in executing]
            missing = sorted(wanted.difference(*offered)) or sorted(wanted)
            together = "" if wanted.difference(*offered) else " all together"
            message = f"no node offers {', '.join(missing)}{together}, without which it can't be {what}"
            self._add("no_capability", message, job_id=job.id, capability=", ".join(missing))
            return False
        if step.worker_type not in self._worker_types:
            message = f"worker type {step.worker_type!r} is not installed here; a node that has it must take it"
            self._add("no_worker_type", message, job_id=step.id)
        return True

    def _in_line(self, step: StepRow, job: JobState, *, limited: bool) -> None:
        nodes = self._able(step, job)
        busy = self._insight.busy()
        free = sum(max(0, node.slots - busy.get(node.id, 0)) for node in nodes)
        slots = sum(node.slots for node in nodes)
        own = self._insight.ahead(job, COUNTED)
        ahead = own + self._others(job, own)
        if free > ahead:
            if not limited and job.rescues < SUSPECT_RESCUES:
                self._add("about_to_start", "a slot is free; it starts as soon as a node looks", job_id=job.id)
            return
        if limited and not ahead:
            return
        count = f"{ahead:,}" if own < COUNTED else f"more than {COUNTED:,}"
        message = f"{slots - free} of {slots} slots are busy, and {count} jobs come before it"
        self._add("slots_busy", message, job_id=job.id, ahead=ahead, estimated_start=_at(self._start_after(step, own)))

    def _others(self, job: JobState, own: int) -> int:
        """Jobs of other steps before it: all of a higher priority; within the same one runs take turns."""
        lanes = self._insight.ready_lanes()
        higher = sum(lane.ready for lane in lanes if lane.priority > job.priority)
        same: dict[int, int] = {}
        for lane in lanes:
            if lane.priority == job.priority and lane.manager_id != job.manager_id:
                same[lane.manager_id] = same.get(lane.manager_id, 0) + lane.ready
        return higher + sum(min(ready, own) for ready in same.values())

    def _start_after(self, step: StepRow, own: int) -> int | None:
        """When that many jobs of the step will have been started, if it goes on as it went so far."""
        ended = step.total - step.open
        if not ended or step.started_at is None or self.now <= step.started_at:
            return None
        return self.now + int((own + 1) * (self.now - step.started_at) / ended)

    def _node(self, process_id: int | None) -> str:
        if process_id is None:
            return ""
        node = next((n for n in self._store.processes() if n.id == process_id), None)
        return f"node {process_id}" + (f" ({node.host}, pid {node.pid})" if node else ", which is gone")


def _told(reason: StatusReason) -> str:
    return {StatusReason.USER: "cancelled by a user", StatusReason.TIMEOUT: "its time is up"}.get(reason, str(reason))


def _steps_in_words(steps: Sequence[StepRow]) -> str:
    counts: dict[str, int] = {}
    for step in steps:
        status = str(step.state.status)
        counts[status] = counts.get(status, 0) + 1
    return "steps: " + ", ".join(f"{count} {status}" for status, count in counts.items())


def _step_in_words(step: StepRow) -> str:
    status = str(step.state.status)
    if step.state is State.RUNNING:
        return f"running ({step.total - step.open:,} of {step.total:,} jobs have ended)"
    return f"{status}, waiting itself" if is_blocked(step) else status


def _holders(running: Sequence[RunningJob]) -> list[Holder]:
    return [Holder(job_id=r.id, run_id=r.manager_id, process_id=r.claimed_by, since=_at(r.started_at)) for r in running]


def _time(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)


def _at(micros: int | None) -> datetime | None:
    return None if micros is None else _time(micros)


def _clock(micros: int | None) -> str:
    """In sentences; the same instant stands in a field beside it."""
    return "?" if micros is None else f"{_time(micros):%Y-%m-%d %H:%M:%S} UTC"
