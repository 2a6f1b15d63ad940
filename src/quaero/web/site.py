"""The site: API, live view and page as one ASGI application. Assembly only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.gzip import GZipMiddleware

from quaero.web.answers import is_describing
from quaero.web.api import comparisons, definitions, documents, jobs, logs, questions, runs, schedules, system
from quaero.web.api.parameters import refuse_nul
from quaero.web.page import page_routes
from quaero.web.problems import FAILURES, add_problem_handlers
from quaero.web.services import WebServices

DESCRIPTION = """Everything that the page and the command line do. Lists are `{items, next}`; errors are problem details
(RFC 9457, `application/problem+json`); times are UTC, ISO 8601. Commands take an `Idempotency-Key`."""
PARTS = (definitions, runs, jobs, comparisons, questions, logs, documents, schedules, system)


class Part(Protocol):
    """What lives as long as the site."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def make_site(
    services: WebServices,
    *,
    parts: Sequence[Part] = (),
    api: Sequence[APIRouter] = (),
    live: APIRouter | None = None,
    bundle: Path | None = None,
    describe: Callable[[], dict[str, Any]] | None = None,
) -> FastAPI:
    """Without access control, which is laid around it. ``api``: more routes below ``/api``; ``describe`` makes the
    OpenAPI file when it is asked for."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as started:
            for part in parts:
                await part.start()
                started.push_async_callback(part.stop)
            yield

    site = FastAPI(
        title="Quaero",
        version=services.version,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    methods: list[tuple[str, Collection[str]]] = []
    failures = FAILURES if is_describing() else {}
    for routes in (*(part.routes(services) for part in PARTS), *api):
        site.include_router(routes, prefix="/api", responses=failures, dependencies=[Depends(refuse_nul)])
        methods += [
            (f"/api{route.path}", route.methods or ()) for route in routes.routes if isinstance(route, APIRoute)
        ]
    if live is not None:
        site.include_router(live)
    site.include_router(page_routes(bundle))
    add_problem_handlers(site, methods)
    if describe is not None:
        site.openapi = cache(describe)  # type: ignore[method-assign]
    site.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)
    return site
