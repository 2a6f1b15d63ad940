"""The composition root of the site: an App and its running engine become one ASGI application. No logic."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from starlette.types import ASGIApp

import quaero
from quaero.app import App, definitions_folder
from quaero.config import effective
from quaero.definitions.context import catalog_of
from quaero.definitions.folder import DefinitionFolder
from quaero.queue.bulk import BulkActions
from quaero.queue.deletion import sweep_all
from quaero.queue.engine import Engine
from quaero.queue.folder_schedules import FolderSchedules
from quaero.queue.turn import Turn
from quaero.queue.why import Explainer
from quaero.storage.insight import SqlJobInsight
from quaero.storage.job_views import SqlJobViews
from quaero.web.access import routes as access
from quaero.web.access.exposure import refuse_without_credentials
from quaero.web.access.layers import protected
from quaero.web.access.login import Login
from quaero.web.access.policy import Policy
from quaero.web.access.sessions import Sessions, secret_from
from quaero.web.api.logs import Lines
from quaero.web.bundle import bundle_folder, bundle_hash
from quaero.web.live import socket as live_socket
from quaero.web.live import stream as live_stream
from quaero.web.live.hub import Hub
from quaero.web.live.source import StoreSource
from quaero.web.openapi import description
from quaero.web.services import Setting, WebServices
from quaero.web.site import make_site
from quaero.workers.agents.agent import AVAILABLE_AGENT_TYPES

T = TypeVar("T")


class Site(NamedTuple):
    """``leave``: to be awaited before its sockets are closed."""

    asgi: ASGIApp
    leave: Callable[[], Awaitable[None]]


def compose_site(app: App, engine: Engine) -> Site:
    """To be called in the engine's event loop; the site may then run in another one.

    Raises:
        ConfigError: it can be reached from elsewhere, and nobody has a password or an API key.
    """
    server = app.config.server
    policy = Policy(server.host, server.hosts, server.proxy, socket.gethostname())
    refuse_without_credentials(policy, app.access, app.clock)
    sessions = Sessions(
        secret_from(app.encryption_key.get_or_create()), app.access, app.clock, hours=server.session_hours
    )
    login = Login(passwords=app.access, sessions=sessions, clock=app.clock)
    write = _across(engine, asyncio.get_running_loop())
    insight = SqlJobInsight(app.store.readers)
    views = SqlJobViews(app.store, app.logs, now=app.clock.now, ignored=insight.ignored_families)
    folder = DefinitionFolder(
        definitions_folder(app.config.data),
        catalog=catalog_of(app.workers),
        agent_types=AVAILABLE_AGENT_TYPES,
        key_names=app.keys.names,
        environment=os.environ,
    )
    schedules = FolderSchedules(folder, app.scheduling, socket.gethostname(), app.clock, write)
    # Before anything is fired: the folder may have changed while nobody looked.
    app.offline.run(schedules.command())
    hub = Hub(StoreSource(views, app.logs, app.store, app.clock), app.clock)
    services = WebServices(
        store=app.store,
        views=views,
        documents=app.documents,
        logs=app.logs,
        keys=app.keys,
        workers=app.workers,
        folder=folder,
        folder_changed=schedules.changed,
        schedules=app.scheduling.store,
        scheduling=app.scheduling,
        insight=insight,
        definitions=app.definitions,
        explainer=Explainer(
            app.store,
            insight,
            app.definitions,
            server_limits=app.config.limits,
            worker_types=[worker.worker_type for worker in app.workers],
            now=app.clock.now,
        ),
        bulk=BulkActions(app.jobs, app.dispatcher, app.definitions),
        jobs=app.jobs,
        dispatcher=app.dispatcher,
        clock=app.clock,
        write=write,
        sweep=partial(sweep_all, write),
        limits=app.config.limits,
        settings=lambda: [Setting(**row._asdict()) for row in effective(app.config)],
        reveal=app.secrets.reveal,
        mask=app.masker.text,
        version=quaero.__version__,
        process_id=lambda: engine.process_id,
        trouble=lambda: str(engine.trouble or engine.crash or ""),
    )
    bundle = bundle_hash()
    site = make_site(
        services,
        parts=(schedules, hub),
        api=(
            access.routes(login, app.access, app.clock),
            live_stream.routes(services, partial(Lines, services), hub.stopping, path="/logs/stream"),
        ),
        live=live_socket.routes(hub, version=quaero.__version__, bundle=bundle),
        bundle=bundle_folder(),
        describe=partial(description, quaero.__version__),
    )
    return Site(protected(site, policy=policy, store=app.access, sessions=sessions, clock=app.clock), hub.stop)


def _across(engine: Engine, loop: asyncio.AbstractEventLoop) -> Callable[[Callable[[Turn], T]], Any]:
    """Commands from the site's event loop to the engine's."""

    async def write(command: Callable[[Turn], T]) -> T:
        answer: T = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(engine.write(command), loop))
        return answer

    return write
