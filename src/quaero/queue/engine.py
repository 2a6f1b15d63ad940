"""Engine: one process's share in the work. Joins pool, planner and writer; lives by its lease; wakes and is woken.

Everything here runs in the event loop's thread; the writer has its own. The clock, the store, the random source and
the liveness check are handed in, so that tests drive it through crashes and stalls.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future
from functools import partial
from random import Random
from typing import Any, Protocol, TypeVar

import msgspec
import structlog

from quaero.errors import ConfigError, NotFound, QuaeroError, Refused, StaleClaim, StoreUnavailable
from quaero.ports.clock import Clock
from quaero.ports.jobs import ClaimedStep, Held, JobStore, Notice, ProcessRow
from quaero.ports.storage import LogStore
from quaero.ports.wakeup import WakeUp
from quaero.queue.claims import Demand
from quaero.queue.deletion import sweep_all
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import JobManager, day_of
from quaero.queue.leases import release, rescue_dead
from quaero.queue.log_collector import LogCollector
from quaero.queue.masking import Masker
from quaero.queue.membership import PROTOCOL, UPKEEP, as_text, lead, offered, refuse_other_protocols
from quaero.queue.planner import StepPlanner
from quaero.queue.pool import WorkerPool
from quaero.queue.scheduler import Scheduler, Scheduling
from quaero.queue.step_info import StepBook
from quaero.queue.turn import Turn
from quaero.queue.upkeep import AUDIT_STEPS, maintain, tell_of_needs
from quaero.queue.work import Posted, Work
from quaero.queue.writer import Writer

T = TypeVar("T")
log = structlog.get_logger("quaero.engine")

STOP_CLAIMING = 0.6
FENCE = 0.8
"""Parts of a lease: a process that could not renew stops claiming, then cancels its handlers, before it ends."""
SWITCH_S = 0.0005
LINES_S = 0.02
LEAVE_S = 10.0
"""How long a process that ends waits for its last writes."""
FLAGS_S = 1.0
TELL_S = 0.2
FIRST_LOOK_S = 1.0
LONGEST_LOOK_S = 15.0
DAY_US = 86_400_000_000


class EngineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """``[engine]`` as the engine needs it. Seconds."""

    lease_s: float = 20
    renew_s: float = 5
    drain_s: float = 20
    audit_s: float = 60
    planning_slots: int = 4
    log_retention_days: int = 7


class Host(Protocol):
    """What the engine asks of the machine it runs on."""

    def process_row(self) -> ProcessRow:
        """Of this process, with what the machine knows of it."""
        ...

    def is_dead(self, process: ProcessRow, /) -> bool | None: ...
    def lease_now(self) -> int:
        """Microseconds on a clock that nobody can set: how much of its lease this process has used."""
        ...


class Engine:
    """Start it, submit commands, wait for runs, stop it."""

    def __init__(
        self,
        *,
        store: JobStore,
        logs: LogStore,
        jobs: JobManager,
        dispatcher: JobDispatcher,
        book: StepBook,
        collector: LogCollector,
        masker: Masker,
        clock: Clock,
        host: Host,
        wake_up: WakeUp,
        limits: EngineLimits,
        worker_types: Iterable[str],
        random: Random,
        make_pool: Callable[[Callable[[], None]], WorkerPool],
        make_planner: Callable[[Callable[[Callable[[Turn], Any]], Awaitable[Any]]], StepPlanner],
        roots: tuple[int, ...] | None = None,
        executes: bool = True,
        capabilities: frozenset[str] = frozenset(),
        key_version: Callable[[], str] = lambda: "",
        scheduling: Scheduling | None = None,
    ) -> None:
        """``roots``: work only below these runs. ``executes`` False: a process that only commands. ``capabilities``:
        what this node offers beyond the ordinary. ``key_version`` gives the fingerprint of its encryption key, now;
        empty where it has none."""
        self._store = store
        self._logs = logs
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._book = book
        self._collector = collector
        self._clock = clock
        self._host = host
        self._limits = limits
        self._types = tuple(worker_types)
        self._random = random
        self._pool = make_pool(self.flush)
        self._planner = make_planner(self.write)
        self._roots = roots
        self._executes = executes
        self._given = capabilities
        self._key_version = key_version
        self._opens_secrets = True
        self._key_trouble = ""
        self._writer = Writer(
            store,
            logs,
            jobs,
            dispatcher,
            book.limits,
            masker,
            self._posted_from_writer,
            self._troubled_from_writer,
            self._crashed_in_writer,
        )
        self._wake_up = wake_up
        self._scheduler = scheduling and Scheduler(
            scheduling, self, clock, self.write, self._read, needs_others=roots is not None
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._commands: list[tuple[Callable[[Turn], Any], Future[Any] | None]] = []
        self._has_loud = False
        self._seen_keys: dict[int, str] = {}
        self._planning: dict[int, asyncio.Task[None]] = {}
        self._asked_jobs = 0
        self._asked_steps = 0
        self._pokes = 0
        self._asked_at_poke = -1
        self._is_dry = False
        self._is_blind = False
        self._judges_leases_from = 0
        """When the store was away, the others could not renew either: they get the time of a lease to do so."""
        self._flush_due: asyncio.TimerHandle | None = None
        self._due_timer: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._renewed_at = 0
        self._audit_cursor = 0
        self._look_s = FIRST_LOOK_S
        self._told_at = 0.0
        self._waiting_for: dict[int, list[asyncio.Future[None]]] = {}
        self._sweeping: set[int] = set()
        self._sweep_again: set[int] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._unchecked: set[int] = set()
        self._running_aside: set[asyncio.Future[Any]] = set()
        self.changed = asyncio.Event()
        """Runs may have begun or ended, here or elsewhere; for who watches them to clear."""
        self.process_id = 0
        self.capabilities: tuple[str, ...] = tuple(sorted(capabilities))
        self.term = 0
        """The term by which this node leads, as it knew at its last sign of life; 0: it does not."""
        self.is_draining = False
        self.retired = asyncio.Event()
        """Set when this node has found that it may no longer work here; the log says why. It then drains."""
        self.refused = 0
        """Stale results that were refused, so far."""
        self._troubles: dict[str, StoreUnavailable] = {}
        self.crash: Exception | None = None
        """What ended the writer: a defect of ours. Nothing more is written; others take over when the lease ends."""

    # life

    async def start(self) -> None:
        """Register, rescue what dead processes left, begin to work.

        Raises:
            Refused: a node is at work that this program can't work with.
        """
        # The writer takes the interpreter's lock back after every statement: with the default of 5 ms it would
        # hold the file's lock, for all processes, while it waits for a busy handler.
        sys.setswitchinterval(SWITCH_S)
        self._loop = asyncio.get_running_loop()
        self._collector.bind(self._loop.call_soon_threadsafe)
        self._collector.on_lines = self._lines_waiting
        await self._wake_up.open(self._woken)
        self._writer.start()
        try:
            await self._register()
        except Refused:
            await self._close()
            raise
        self._tasks = [
            asyncio.create_task(self._keep_lease()),
            asyncio.create_task(self._look_around()),
            asyncio.create_task(self._watch_flags()),
            asyncio.create_task(self._audit()),
        ]
        if self._scheduler is not None:
            self._tasks.append(asyncio.create_task(self._scheduler.run()))
        await self.write(self._resume_stopped)
        self.poke()

    async def stop(self, *, drain_s: float | None = None) -> None:
        """Drain: claim nothing more, give back what has not started, let running jobs end, then leave.

        ``drain_s`` goes before the limit that was set; 0 gives back the running jobs at once.
        """
        self.is_draining = True
        self._pool.release_claimed()
        # What a claim under way brings arrives before the answer, and is given back like the rest.
        await self._write_in_time(self._sign)
        for task in list(self._planning.values()):
            task.cancel("drain")
        self.flush()
        try:
            async with asyncio.timeout(self._limits.drain_s if drain_s is None else drain_s):
                await self._pool.quiet()
        except TimeoutError:
            self._pool.stop_all("drain")
            try:
                async with asyncio.timeout(1):
                    await self._pool.quiet()
            except TimeoutError:
                log.warning("engine.jobs_left", count=self._pool.busy)
        await asyncio.gather(*self._planning.values(), return_exceptions=True)
        await self._leave()

    async def _leave(self) -> None:
        background = [*self._tasks, *self._background]
        for task in background:
            task.cancel()
        await asyncio.gather(*background, *self._running_aside, return_exceptions=True)
        self.flush()
        process_id = self.process_id
        # In one turn commands go before outcomes: signed off there, this process would have its last ones refused.
        written = await self._write_in_time(_nothing)
        if not (written and await self._write_in_time(lambda turn: self._sign_off(turn, process_id))):
            log.warning("engine.not_signed_off", process_id=process_id)
        await self._close()

    async def _close(self) -> None:
        for timer in (self._flush_due, self._due_timer):
            if timer is not None:
                timer.cancel()
        await self._pool.close()
        await asyncio.get_running_loop().run_in_executor(None, self._writer.close)
        self._wake_up.tell()
        self._wake_up.close()

    async def _write_in_time(self, command: Callable[[Turn], Any]) -> bool:
        """False when the store can't be written: this process ends all the same, and others rescue what it held."""
        if self.crash is not None:
            return False
        try:
            async with asyncio.timeout(LEAVE_S if self.trouble is None else 0):
                await self.write(command, quiet=True)
        except (StoreUnavailable, TimeoutError):
            return False
        return True

    def _sign_off(self, turn: Turn, process_id: int) -> None:
        release(turn, [process_id], self._book.limits, self._dispatcher.job_monitor.children_failed)
        turn.tx.remove_process(process_id)

    # commands

    async def write(self, command: Callable[[Turn], Any], *, quiet: bool = False) -> Any:
        """Run a command in the next turn; its answer when it is committed, or the error it raised.

        A ``quiet`` one makes nothing to claim and nothing that falls due.
        """
        if self.crash is not None:
            raise self.crash
        future: Future[Any] = Future()
        # From here on the writer answers it: a caller that is cancelled meanwhile does not cancel the command.
        future.set_running_or_notify_cancel()
        self._commands.append((command, future))
        self._has_loud = self._has_loud or not quiet
        self.flush()
        return await asyncio.wrap_future(future)

    async def finished(self, run_id: int) -> None:
        """Returns when the run is terminal, whichever process ends it."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting_for.setdefault(run_id, []).append(waiter)
        self._check_waiting()
        await waiter

    def poke(self) -> None:
        """There may be something to claim."""
        self._pokes += 1
        self._is_dry = False
        self.changed.set()
        self._look_s = FIRST_LOOK_S
        self.flush()
        self._check_waiting()

    def _woken(self) -> None:
        """Another process calls: maybe one that has only just come, and must be told of things from now on."""
        self._wake_up.knows(self._store.processes)
        self._look_at_schedules()
        self.poke()

    def _look_at_schedules(self) -> None:
        if self._scheduler is not None:
            self._scheduler.look()

    # the two hand-overs

    def flush(self) -> None:
        """Hand everything over to the writer: one batch object, swapped here."""
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None
        done, ended = self._pool.take()
        logs = self._collector.take()
        demand = self._demand()
        commands, self._commands = self._commands, []
        is_loud, self._has_loud = self._has_loud, False
        has_news = bool(done or ended or is_loud)
        if demand is not None and not has_news and self._is_dry:
            demand = None
        if not (has_news or commands or logs.lines) and demand is None:
            return
        if demand is not None:
            self._asked_jobs += demand.jobs
            self._asked_steps += demand.steps
            self._asked_at_poke = self._pokes
        self._writer.put(Work(commands=commands, done=done, ended=ended, logs=logs, demand=demand))

    def _demand(self, below: float = 0.75) -> Demand | None:
        if not self._executes or self.is_draining or self.process_id == 0 or self._lease_used() >= STOP_CLAIMING:
            return None
        jobs = max(0, self._pool.room(below) - self._asked_jobs)
        steps = max(0, self._limits.planning_slots - len(self._planning) - self._asked_steps)
        if not jobs and not steps:
            return None
        return Demand(
            process_id=self.process_id,
            jobs=jobs,
            steps=steps,
            roots=self._roots,
            types=self._types,
            capabilities=self.capabilities,
            seen_keys=self._seen_keys,
            suspect_allowed=not self._pool.holds_suspect,
        )

    def _posted_from_writer(self, posted: Posted) -> None:
        assert self._loop is not None  # noqa: S101 - the writer runs only after start()
        has_ends = bool(posted.closed_runs or posted.stopped_runs)
        if has_ends or posted.schedules_changed or (posted.made_work and not posted.haul.is_dry):
            # From here, not from the loop: another process may start its part while this one hands over.
            self._wake_up.tell()
        self._loop.call_soon_threadsafe(self._posted, posted)

    def _posted(self, posted: Posted) -> None:
        """A turn is committed."""
        work = posted.work
        self._pool.acknowledge(len(work.done) + len(work.ended))
        if work.logs is not None and work.logs.lines:
            self._collector.stored(work.logs, posted.last_seqs)
        if posted.refused:
            self.refused += posted.refused
            log.warning("engine.refused", count=posted.refused)
        if work.demand is not None:
            self._asked_jobs -= work.demand.jobs
            self._asked_steps -= work.demand.steps
            self._is_dry = posted.haul.is_dry and self._asked_at_poke == self._pokes
        for step_id, jobs in posted.haul.jobs:
            self._pool.add(step_id, jobs)
        for claimed in posted.haul.steps:
            self._start_planning(claimed)
        if self.is_draining and posted.haul.jobs:
            self._pool.release_claimed()
        for future, answer in posted.answers:
            if isinstance(answer, QuaeroError):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        self._follow_up(posted)

    def _follow_up(self, posted: Posted) -> None:
        for run_id in posted.stopped_runs:
            self._stopped(run_id)
        for run_id in posted.closed_runs:
            self._closed(run_id)
        if posted.schedules_changed:
            self._look_at_schedules()
        if posted.made_work_late or (posted.made_work and posted.work.demand is None):
            self._is_dry = False
        if posted.haul.jobs and not posted.haul.is_dry:
            self._tell_of_more()
        if self._commands or (not self._is_dry and self._demand(below=0.25) is not None):
            self.flush()
        due = posted.next_due
        if posted.haul.next_at is not None:
            due = posted.haul.next_at if due is None else min(due, posted.haul.next_at)
        if due is not None:
            self._wake_at(due - posted.now)

    def _tell_of_more(self) -> None:
        """There is more than this process takes: others may help. Said a few times a second at most."""
        assert self._loop is not None  # noqa: S101 - posted turns come only after start()
        if self._loop.time() - self._told_at > TELL_S:
            self._told_at = self._loop.time()
            self._wake_up.tell()

    def _wake_at(self, delay_us: int) -> None:
        assert self._loop is not None  # noqa: S101 - posted turns come only after start()
        when = self._loop.time() + max(0.0, delay_us / 1e6) + 0.001
        if self._due_timer is not None:
            if not self._due_timer.cancelled() and self._loop.time() < self._due_timer.when() <= when:
                return
            self._due_timer.cancel()
        self._due_timer = self._loop.call_at(when, self._something_is_due)

    def _something_is_due(self) -> None:
        self._commands.append((_nothing, None))
        self._has_loud = True
        self.poke()

    def _lines_waiting(self) -> None:
        if self._flush_due is None and self._loop is not None:
            self._flush_due = self._loop.call_later(LINES_S, self.flush)

    @property
    def trouble(self) -> StoreUnavailable | None:
        """Why the store can't be written now, or None."""
        return next(iter(self._troubles.values()), None)

    def _troubled_from_writer(self, who: str, error: StoreUnavailable | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._troubled, who, error)

    def _crashed_in_writer(self, error: Exception) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._crashed, error)

    def _crashed(self, error: Exception) -> None:
        log.critical("engine.crashed", exc_info=error)
        self.crash = error
        self.retired.set()
        self._fence()
        for waiter in [waiter for waiters in self._waiting_for.values() for waiter in waiters]:
            if not waiter.done():
                waiter.set_exception(error)

    def _troubled(self, who: str, error: StoreUnavailable | None) -> None:
        """Two threads write: an outage begins with the first that can't, and is over when both can."""
        was_in_trouble = self.trouble is not None
        if error is None:
            self._troubles.pop(who, None)
        else:
            self._troubles[who] = error
        if error is not None and not was_in_trouble:
            log.error("store.unavailable", error=str(error))
        elif was_in_trouble and self.trouble is None:
            log.info("store.available_again")

    # planning

    def _start_planning(self, claimed: ClaimedStep) -> None:
        held = Held(claimed.id, claimed.attempt)
        self._planning[claimed.id] = asyncio.create_task(self._plan(claimed, held))

    async def _plan(self, claimed: ClaimedStep, held: Held) -> None:
        try:
            await self._planner.plan(claimed, self._book.get(claimed.id))
        except (asyncio.CancelledError, StaleClaim):
            await self.write(lambda turn: self._dispatcher.planning_stopped(turn, held))
        except StoreUnavailable as error:
            log.warning("engine.planning_given_up", error=str(error))
        except Exception as error:  # noqa: BLE001 - a plan is a worker's code: its failure is the step's outcome
            failure = error
            await self.write(
                lambda turn: self._dispatcher.planning_failed(turn, held, failure, claimed.failures, self.process_id)
            )
        finally:
            self._planning.pop(claimed.id, None)
            self.flush()

    # stopping

    def _stopped(self, run_id: int) -> None:
        """A run, or one of its steps, is to end: tell what runs here, sweep what is pending."""
        if run_id in self._sweeping:
            self._sweep_again.add(run_id)
        elif self._loop is not None:
            self._sweeping.add(run_id)
            self._in_background(self._sweep(run_id))

    async def _sweep(self, run_id: int) -> None:
        try:
            self._stop_here(await self.write(lambda turn: _stopped_steps(turn, run_id)))
            while await self.write(lambda turn: self._jobs.sweep(turn, run_id)):
                pass
        except (NotFound, StoreUnavailable) as error:
            log.warning("engine.sweep_given_up", run_id=run_id, error=str(error))
        finally:
            self._sweeping.discard(run_id)
            if run_id in self._sweep_again:
                self._sweep_again.discard(run_id)
                self._stopped(run_id)

    def _stop_here(self, steps: set[int]) -> None:
        self._pool.stop_steps(lambda info: info.context.step_id in steps, "cancel")
        for step_id, task in list(self._planning.items()):
            if step_id in steps:
                task.cancel("cancel")

    def _resume_stopped(self, turn: Turn) -> None:
        """Stopped runs that nobody sweeps any more (their process died) are swept here."""
        turn.stopped_runs += turn.tx.stopped_runs()

    async def _watch_flags(self) -> None:
        """Cancellations that other processes asked for: looked at once a second while jobs run here."""
        version: int | str = -1
        while True:
            await asyncio.sleep(FLAGS_S)
            held = self._pool.steps_held() | set(self._planning)
            current = await self._read(self._store.data_version, version) if held else version
            if current == version:
                continue
            version = current
            stopped = await self._read(partial(self._store.stopped_steps, sorted(held)), list[int]())
            if stopped:
                self._stop_here(set(stopped))
                self.flush()

    def _closed(self, run_id: int) -> None:
        self._book.forget_run(run_id)
        self._collector.forget_run(run_id)
        self.changed.set()
        for waiter in self._waiting_for.pop(run_id, []):
            if not waiter.done():
                waiter.set_result(None)

    def _check_waiting(self) -> None:
        """Runs that somebody waits for may have been ended elsewhere."""
        is_looking = bool(self._unchecked)
        self._unchecked |= self._waiting_for.keys()
        if self._unchecked and not is_looking:
            self._in_background(self._look_for_ends())

    async def _look_for_ends(self) -> None:
        while self._unchecked:
            run_id = min(self._unchecked)
            try:
                run = await self._read(partial(self._store.run, run_id), None)
                is_over = run is not None and run.state.is_terminal
            except NotFound:  # ended, and deleted since
                is_over = True
            self._unchecked.discard(run_id)
            if is_over:
                self._closed(run_id)

    # lease

    async def _register(self) -> None:
        row = self._host.process_row()._replace(
            port=self._wake_up.port,
            slots=self._pool.size if self._executes else 0,
            protocol=PROTOCOL,
            key_version=self._own_key(),
        )
        self._renewed_at = self._host.lease_now()

        def register(turn: Turn) -> tuple[int, Notice, int]:
            others = refuse_other_protocols(turn, self._host.is_dead)
            notice = turn.tx.notice(UPKEEP, row.key_version)
            process_id = turn.tx.add_process(
                row._replace(
                    capabilities=as_text(offered(self._given, notice)),
                    lease_until=turn.tx.lease_now + self._lease_us,
                    started_at=turn.now,
                    renewed_at=turn.now,
                )
            )
            term = lead(turn, notice, process_id, others, self._host.is_dead, may_take=not self.is_draining)
            self._rescue(turn, process_id)
            return process_id, notice, term

        self.process_id, notice, self.term = await self.write(register)
        self._writer.acts_as(self.process_id)
        self._noticed(notice)
        self._wake_up.knows(self._store.processes)
        self._wake_up.tell()
        self._look_at_schedules()

    def _own_key(self) -> str:
        try:
            return self._key_version()
        except ConfigError as error:
            if str(error) != self._key_trouble:
                self._key_trouble = str(error)
                log.warning("node.secret_key_unusable", error=str(error))
            return ""

    def _noticed(self, notice: Notice) -> None:
        """What a sign of life has brought to light about this node's place among the others."""
        opens_secrets = not notice.has_foreign_secrets
        if opens_secrets != self._opens_secrets and self._executes:
            self._tell_of_secrets(opens_secrets)
        self._opens_secrets = opens_secrets
        before, self.capabilities = self.capabilities, offered(self._given, notice)
        if not set(self.capabilities) <= set(before):
            self.poke()
        if notice.schema > self._store.schema:
            self._retire(
                f"a newer Quaero has brought the database to schema {notice.schema}, this one knows "
                f"{self._store.schema}; upgrade it, then start it again"
            )

    def _tell_of_secrets(self, opens_secrets: bool) -> None:
        if opens_secrets:
            log.info("node.opens_secrets")
        else:
            log.warning(
                "node.without_secret_key",
                effect="it takes no step that uses a stored secret",
                fix="copy secret.key from the data folder of a node that has it, or set QUAERO_SECRET_KEY",
            )

    def _retire(self, reason: str) -> None:
        """Claim nothing more, whatever is asked; what runs may end. Whoever started this engine should stop it."""
        if self.retired.is_set():
            return
        log.error("node.retires", reason=reason)
        self.is_draining = True
        self._pool.release_claimed()
        for task in list(self._planning.values()):
            task.cancel("drain")
        self.retired.set()
        self.flush()

    def _rescue(self, turn: Turn, process_id: int, processes: list[ProcessRow] | None = None) -> None:
        if processes is not None and self._lease_used() >= 1:
            self._judges_leases_from = self._host.lease_now() + self._lease_us
        rescue_dead(
            turn,
            process_id,
            self._host.is_dead,
            self._book.limits,
            self._dispatcher.job_monitor.children_failed,
            processes,
            by_lease=self._host.lease_now() >= self._judges_leases_from,
        )

    @property
    def _lease_us(self) -> int:
        return int(self._limits.lease_s * 1e6)

    def _lease_used(self) -> float:
        return (self._host.lease_now() - self._renewed_at) / (self._limits.lease_s * 1e6)

    async def _keep_lease(self) -> None:
        """Renew in time; fence this process before its lease ends when that fails."""
        renewing: asyncio.Future[Any] | None = None
        check_s = min(self._limits.renew_s, self._limits.lease_s * 0.1)
        next_renewal = self._limits.renew_s
        while True:
            await asyncio.sleep(check_s)
            next_renewal -= check_s
            if renewing is None and next_renewal <= 0:
                next_renewal = self._limits.renew_s
                renewing = asyncio.ensure_future(self._renew())
            if renewing is not None and renewing.done():
                renewing = None
            if self._lease_used() >= FENCE:
                self._fence()

    async def _renew(self) -> None:
        asked_at = self._host.lease_now()
        try:
            processes, notice, term = await self.write(self._sign, quiet=True)
        except StoreUnavailable:
            return
        if not processes:
            log.warning("engine.taken_for_dead", process_id=self.process_id)
            self._fence()
            try:
                await self._register()
            except Refused as error:
                self._retire(str(error))
                return
            self.poke()
            return
        self._renewed_at = asked_at
        if term != self.term:
            self._look_at_schedules()
        self.term = term
        self._noticed(notice)
        self._wake_up.knows(lambda: processes)

    def _sign(self, turn: Turn) -> tuple[list[ProcessRow], Notice, int]:
        """A sign of life, with all that goes with it: (processes, what it brought to light, term)."""
        key = self._own_key()
        notice = turn.tx.notice(UPKEEP, key)
        offers = as_text(offered(self._given, notice))
        until = turn.tx.lease_now + self._lease_us
        processes = turn.tx.renew(self.process_id, until, self.is_draining, offers, key)
        term = 0
        if processes:
            is_dead = self._host.is_dead
            term = lead(turn, notice, self.process_id, processes, is_dead, may_take=not self.is_draining)
            self._rescue(turn, self.process_id, processes)
        if term and notice.has_needs:
            tell_of_needs(turn)
        return processes, notice, term

    def _fence(self) -> None:
        """This process may no longer act for its jobs: stop them all; their results would be refused."""
        # Others may hold it by now, and this is refused; if none does, it is free again: the lease may yet be kept.
        self._pool.release_claimed()
        self._pool.stop_all("drain")
        for task in list(self._planning.values()):
            task.cancel("drain")

    # upkeep

    async def _look_around(self) -> None:
        """The fallback for a lost wake-up: looks for foreign commits, ever more seldom while there are none."""
        version: int | str = -1
        while True:
            await asyncio.sleep(self._look_s * self._random.uniform(0.8, 1.0))
            self._look_s = min(self._look_s * 2, LONGEST_LOOK_S)
            current = await self._read(self._store.data_version, version)
            if current == version:
                continue
            version = current
            self._check_waiting()
            self._look_at_schedules()
            if self._executes and await self._read(self._has_work, False):
                self._is_dry = False
                self.flush()

    def _has_work(self) -> bool:
        return self._store.has_work(self._roots, self._types, self.capabilities)

    async def _audit(self) -> None:
        """The leader's: recount a few steps a minute, in a snapshot; mend what differs. Drop logs past their time."""
        while True:
            await asyncio.sleep(self._limits.audit_s * self._random.uniform(0.8, 1.2))
            try:
                if self.term:
                    await self._maintain()
            except StoreUnavailable as error:
                log.warning("engine.upkeep_put_off", error=str(error))

    async def _maintain(self) -> None:
        after = self._audit_cursor
        suspected, self._audit_cursor = await self._aside(partial(self._store.drifting, after, AUDIT_STEPS))
        by = partial(maintain, process_id=self.process_id, term=self.term, suspected=suspected)
        if await self.write(by, quiet=True):
            await sweep_all(partial(self.write, quiet=True))
            await self._aside(self._drop_old_logs)

    def _drop_old_logs(self) -> None:
        oldest = day_of(self._clock.now() - self._limits.log_retention_days * DAY_US)
        self._logs.drop_days_before(oldest, self._store.open_log_days())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _read(self, work: Callable[[], T], otherwise: T) -> T:
        """A read that may have to wait for a server does so in a thread; ``otherwise`` when it can't be made now."""
        try:
            found = work() if self._store.has_one_writer else await self._aside(work)
        except StoreUnavailable as error:
            if not self._is_blind and self.trouble is None:
                log.warning("engine.not_read", error=str(error))
            self._is_blind = True
            return otherwise
        self._is_blind = False
        return found

    async def _aside(self, work: Callable[[], T]) -> T:
        """In a thread. This process does not leave before it has ended: it uses the store."""
        running = asyncio.get_running_loop().run_in_executor(None, work)
        self._running_aside.add(running)
        running.add_done_callback(self._running_aside.discard)
        return await asyncio.shield(running)


def _nothing(turn: Turn) -> None:
    """A command that only makes the writer look at what is due."""


def _stopped_steps(turn: Turn, run_id: int) -> set[int]:
    run = turn.tx.run(run_id)
    return {step.id for step in turn.tx.steps(run_id) if run.stop_reason is not None or step.stop_reason is not None}
