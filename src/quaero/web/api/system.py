"""The installation: workers, nodes, limits, keys, settings, figures and health."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from quaero.definitions.worker_docs import worker_data
from quaero.errors import NotFound
from quaero.model.definition import Limits
from quaero.model.node import Node
from quaero.ports.views import Activity, LimiterRow, StorageFacts
from quaero.queue.nodes import nodes_of
from quaero.web.answers import answer, model_of, page, page_of
from quaero.web.api.parameters import Text
from quaero.web.problems import problem
from quaero.web.services import Setting, WebServices

Name = Annotated[str, Field(max_length=200)]
ANSWER_S: Final = 2.0


class WorkerType(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of step."""

    type: str
    description: str
    job_type: str
    documents: list[str]
    parameters: list[dict[str, Any]]
    example: str
    schema: dict[str, Any]
    """JSON Schema of its parameters."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A stored key, without its value."""

    name: str
    secret: bool


class KeyValue(BaseModel):
    """A value to be stored; it is never shown again where it is secret."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    value: Text = Field(min_length=1, max_length=100_000)
    secret: bool = True


class LimitView(msgspec.Struct, frozen=True, kw_only=True):
    """Flow control of one (worker type, key): how it stands, and the limits of this installation."""

    limiter: LimiterRow
    limits: Limits | None


class Version(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    schema: int


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """`status`: `ok`, or why not."""

    status: str
    process_id: int


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Runs by the time they began."""

    activity: list[Activity]


class _Probe:
    """Whether the store answers in time. It is asked once at a time, however long that takes: no threads pile up."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[object] | None = None

    async def __call__(self) -> bool:
        """Raises StoreUnavailable where the store can't be asked."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(asyncio.to_thread(self._ask))
            self._asking.add_done_callback(_heard)
        done, _ = await asyncio.wait({self._asking}, timeout=ANSWER_S)
        for asked in done:
            asked.result()
        return bool(done)


def _heard(asked: asyncio.Task[object]) -> None:
    """Nobody may be left who waits for it."""
    if not asked.cancelled():
        asked.exception()


def routes(services: WebServices) -> APIRouter:  # noqa: C901 - one small function per route
    router = APIRouter()

    @router.get("/workers", response_model=page_of(WorkerType), tags=["workers"])
    def workers() -> Response:
        """The kinds of steps that can be used."""
        return page([worker_data(worker) for worker in services.workers])

    @router.get("/workers/{worker_type}", response_model=model_of(WorkerType), tags=["workers"])
    def worker(worker_type: str) -> Response:
        """One kind of step: its parameters, with an example."""
        return answer(worker_data(services.workers.get(worker_type)))

    @router.get("/nodes", response_model=page_of(Node), tags=["workers"])
    def nodes() -> Response:
        """The running programs that share the database."""
        return page(nodes_of(services.store, services.clock.now()))

    @router.get("/limits", response_model=page_of(LimitView), tags=["workers"])
    def limits() -> Response:
        """Slots in use and rate tokens."""
        rows = services.views.limiters()
        return page([LimitView(limiter=row, limits=services.limits.get(row.worker_type)) for row in rows])

    @router.get("/keys", response_model=page_of(Key), tags=["keys"])
    def keys() -> Response:
        """Names alone: a secret is never shown."""
        return page([Key(name=name, secret=secret) for name, secret in sorted(services.keys.names().items())])

    @router.put("/keys/{name}", status_code=204, response_class=Response, tags=["keys"])
    def set_key(name: str, given: KeyValue) -> Response:
        """Store a value, or replace the one there is."""
        services.keys.set(name, given.value, secret=given.secret)
        return Response(status_code=204)

    @router.delete("/keys/{name}", status_code=204, response_class=Response, tags=["keys"])
    def delete_key(name: str) -> Response:
        """Forget a key; runs that need it fail from now on."""
        if name not in services.keys.names():
            raise NotFound(f"no key {name!r}")
        services.keys.delete(name)
        return Response(status_code=204)

    @router.get("/statistics", response_model=model_of(Statistics), tags=["system"])
    def statistics(
        hours: Annotated[float, Query(gt=0, le=24 * 366)] = 24, buckets: Annotated[int, Query(ge=1, le=500)] = 48
    ) -> Response:
        """How many runs began when, by status."""
        since = datetime.now(UTC) - timedelta(hours=hours)
        return answer(Statistics(activity=services.views.activity(since=since, buckets=buckets)))

    @router.get("/system", response_model=model_of(StorageFacts), tags=["system"])
    def system() -> Response:
        """Sizes, the oldest transaction, and the auditor's finding (drift must be 0)."""
        return answer(services.views.storage_facts())

    @router.get("/config", response_model=page_of(Setting), tags=["system"])
    def config() -> Response:
        """The settings in force, and where each comes from. Secrets are masked."""
        return page(services.settings())

    @router.get("/version", response_model=model_of(Version), tags=["system"])
    def version() -> Response:
        """Of the program, and of the database's schema."""
        return answer(Version(version=services.version, schema=services.store.schema))

    store_answers = _Probe(services.store.data_version)

    @router.get("/health", response_model=model_of(Health), tags=["health"])
    async def health(request: Request) -> Response:
        """200 when the server can do its work, 503 with the reason when it can't."""
        process_id = services.process_id()
        reason = services.trouble() or ("" if process_id else "the engine is starting")
        if not reason and not await store_answers():
            reason = "the database does not answer"
        if not reason:
            return answer(Health(status="ok", process_id=process_id))
        return problem(request, 503, reason, kind="unavailable", headers={"Retry-After": "2"})

    @router.get("/health/live", response_model=model_of(Health), tags=["health"])
    async def live() -> Response:
        """200 as long as the program runs."""
        return answer(Health(status="ok", process_id=services.process_id()))

    return router
