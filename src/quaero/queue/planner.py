"""StepPlanner: turns a claimed step into its jobs, chunk by chunk, through the worker's ``plan``."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from time import monotonic
from typing import Any, cast

import msgspec
from pydantic import BaseModel

from quaero.errors import BadData
from quaero.model.definition import CachePolicy
from quaero.model.document import DocumentQuery
from quaero.ports.jobs import ChildBatch, ClaimedStep, Held
from quaero.ports.storage import DocumentStore
from quaero.queue.children import Children
from quaero.queue.context import CURRENT_JOB, CancelToken, JobContext
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.log_collector import AttemptLog, LogCollector
from quaero.queue.step_info import Reveal, StepInfo, config_of, reads_by_default
from quaero.queue.step_manager import StepManager
from quaero.queue.turn import Turn

FIRST_CHUNK = 1_000
CHUNK = 20_000
"""A chunk is one commit. The first ones are small, so that work starts at once; the keys of a large step lie all over
their index, and the more of them a commit brings, the fewer pages it writes for each."""
SLOW_PLAN_S = 0.25
HOUR_US = 3_600_000_000
Write = Callable[[Callable[[Turn], Any]], Awaitable[Any]]


class StepPlanner:
    """Plans steps. What it makes is inserted in idempotent chunks, so a plan that was cut off is simply made again."""

    def __init__(
        self,
        *,
        workers: StepManager,
        dispatcher: JobDispatcher,
        documents: DocumentStore,
        collector: LogCollector,
        reveal: Reveal,
        write: Write,
        now: Callable[[], int],
    ) -> None:
        self._workers = workers
        self._dispatcher = dispatcher
        self._documents = documents
        self._collector = collector
        self._reveal = reveal
        self._write = write
        self._now = now

    async def plan(self, claimed: ClaimedStep, info: StepInfo) -> None:
        """Expand and seal one step.

        Raises:
            StaleClaim: others hold the step now, or it is being stopped. Anything else is the plan's own failure.
        """
        worker = self._workers.get(info.context.worker_type)
        held = Held(claimed.id, claimed.attempt)
        inputs = await self._inputs(info)
        context = msgspec.structs.replace(info.context, inputs=inputs)
        log = AttemptLog(self._collector, claimed.id, claimed.attempt, context, "step", "init")
        job = JobContext(claimed.id, claimed.attempt, context, log, 0, CancelToken(), info.reveal)
        CURRENT_JOB.set(job)
        try:
            config = config_of(info, worker, self._workers.validate, self._reveal)
            cache_key = await self._cache_key(info, config, inputs)
            if cache_key and await self._write(lambda turn: self._reuse(turn, held, info, cache_key)):
                return
            arguments = {"job": job} if worker.plan_takes_job else {}
            planned, digest = await self._expand(held, info, worker.plan(config, **arguments))
            log.close()
            await self._write(
                lambda turn: self._dispatcher.seal(turn, held, planned=planned, warnings=log.warnings, plan_hash=digest)
            )
        finally:
            log.close()

    async def _inputs(self, info: StepInfo) -> DocumentQuery:
        """By default: documents of this run tagged with the step's name, else those of the steps it depends on."""
        query = info.context.inputs
        if not reads_by_default(info.step):
            return query
        tagged = await self._documents.select(msgspec.structs.replace(query, limit=1))
        if tagged or not info.step.depends:
            return query
        return DocumentQuery(manager_id=query.manager_id, step_names=info.step.depends)

    async def _expand(self, held: Held, info: StepInfo, plan: Any) -> tuple[int, str]:
        """Insert the plan's jobs, one chunk being written while the next is made; (jobs, hash of their keys)."""
        chunks = _Chunks(self, held, Children(info))
        if inspect.isawaitable(plan):
            plan = await plan
        if hasattr(plan, "__aiter__"):
            async for payload in cast("AsyncIterator[BaseModel]", plan):
                chunks.children.add(payload)
                if chunks.is_due:
                    await chunks.send()
        elif plan is None:
            raise BadData(f"plan of {info.context.worker_type} returned nothing; it must return its payloads")
        else:
            iterator = iter(cast("Iterable[BaseModel]", plan))
            while chunks.fill(iterator):
                await asyncio.sleep(0)
                if chunks.is_due:
                    await chunks.send()
        return await chunks.finish()

    async def insert(self, held: Held, batch: ChildBatch) -> None:
        await self._write(lambda turn: self._dispatcher.expand(turn, held, batch))

    # the step cache

    async def _cache_key(self, info: StepInfo, config: BaseModel, inputs: DocumentQuery) -> str:
        """Of the step's resolved parameters and the documents it reads; empty where the cache is off."""
        if not info.step.cache.enabled or info.step.cache.type == "none":
            return ""
        refs = [] if reads_by_default(info.step) and not info.step.depends else await self._documents.select(inputs)
        facts = [info.context.worker_type, config.model_dump(mode="json"), [(r.id, r.content_hash) for r in refs]]
        return hashlib.sha256(msgspec.json.encode(facts, order="deterministic")).hexdigest()

    def _reuse(self, turn: Turn, held: Held, info: StepInfo, cache_key: str) -> bool:
        found = turn.tx.cached_step(info.definition.id, info.step.name, cache_key)
        if found is None or not is_fresh(info.step.cache, found[0], self._now()):
            turn.tx.set_step_flags(held.id, {"cache_key": cache_key})
            return False
        made_at, old_run, old_step = found
        self._dispatcher.reuse(turn, held, old_run, old_step, (self._now() - made_at) / HOUR_US)
        return True


def is_fresh(policy: CachePolicy, made_at: int, now: int) -> bool:
    """Whether a cached step still counts: ``hard_time`` since 00:00 UTC, else younger than ``hours``; 0 never."""
    if policy.type == "hard_time":
        midnight = datetime.fromtimestamp(now / 1e6, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return made_at >= int(midnight.timestamp() * 1e6)
    return now - made_at < policy.hours * HOUR_US


class _Chunks:
    """The growing chunks of one plan: at most one is being written while the next is gathered."""

    def __init__(self, planner: StepPlanner, held: Held, children: Children) -> None:
        self.children = children
        self._planner = planner
        self._held = held
        self._writing: asyncio.Future[None] | None = None
        self._digest = hashlib.blake2b(digest_size=16)
        self._planned = 0
        self._size = FIRST_CHUNK
        self._begun = monotonic()

    @property
    def is_due(self) -> bool:
        """The chunk is full, or a slow plan has kept its first job waiting long enough."""
        waited = monotonic() - self._begun > SLOW_PLAN_S
        return len(self.children) >= self._size or (waited and len(self.children) > 0)

    def fill(self, payloads: Iterator[BaseModel]) -> bool:
        """Gather a slice; False when the plan is at its end."""
        add = self.children.add
        count = 0
        for payload in islice(payloads, FIRST_CHUNK):
            add(payload)
            count += 1
        return count > 0

    async def send(self) -> None:
        batch = self.children.take()
        self._planned += len(batch)
        self._digest.update("".join(batch.keys or [child.key for child in batch.rows]).encode())
        if self._writing is not None:
            await self._writing
        self._writing = asyncio.ensure_future(self._planner.insert(self._held, batch))
        self._size = min(CHUNK, self._size * 2)
        self._begun = monotonic()
        await asyncio.sleep(0)

    async def finish(self) -> tuple[int, str]:
        if len(self.children):
            await self.send()
        if self._writing is not None:
            await self._writing
        return self._planned, self._digest.hexdigest()
