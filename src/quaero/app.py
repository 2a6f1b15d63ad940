"""The composition root: a Config becomes an App, by plain constructors, read top to bottom. No logic."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from quaero.config import DATABASE_NAME, Config, PostgresServer, SqliteFile
from quaero.errors import ConfigError
from quaero.model.contracts import CONTRACTS, ENRICHMENTS, canonical_source_type
from quaero.ports.jobs import ProcessRow
from quaero.ports.services import Services
from quaero.ports.wakeup import WakeUp
from quaero.queue.capabilities import detected
from quaero.queue.compute import ProcessCompute
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.engine import Engine, EngineLimits
from quaero.queue.job_manager import Definitions, JobManager
from quaero.queue.log_collector import LogCollector, LogLimits
from quaero.queue.masking import Masker
from quaero.queue.node import NodeIdentity, SystemClock, is_gone, lease_clock_us, this_node
from quaero.queue.offline import OfflineTurns
from quaero.queue.planner import StepPlanner
from quaero.queue.pool import WorkerPool
from quaero.queue.scheduler import Scheduling
from quaero.queue.schedules import Schedules
from quaero.queue.step_info import StepBook
from quaero.queue.step_manager import StepManager
from quaero.queue.wakeup import DatagramWakeUp, tell_once
from quaero.storage.access import SqlAccessStore
from quaero.storage.document_prepare import ContractRegistry, DocumentPreparer
from quaero.storage.documents import SqlDocumentStore
from quaero.storage.job_store import SqlJobStore
from quaero.storage.keys import EncryptionKey, SecretResolver, SqlKeyStore
from quaero.storage.logs import SqlLogStore
from quaero.storage.schedules import SqlScheduleStore
from quaero.storage.sqlite import Readers, SqliteDatabase, make_private_folder, refuse_network_file_system

if TYPE_CHECKING:
    from quaero.storage.postgres import PostgresDatabase
    from quaero.storage.postgres_logs import PostgresLogStore

WORKERS = "quaero.workers"
"""The entry-point group by which workers are found, ours and third parties'."""


class ThisHost:
    """The machine, as the engine sees it."""

    def __init__(self, *, is_alone: bool) -> None:
        """``is_alone``: no other host works on the database, as it is with a file."""
        self._is_alone = is_alone

    def process_row(self) -> ProcessRow:
        node = this_node()
        return ProcessRow(
            id=0,
            host=node.host,
            boot_id=node.boot_id,
            pid_space=node.pid_namespace,
            pid=node.pid,
            pid_started=node.started,
            version=node.version,
            slots=0,
            capabilities="",
            port=0,
            draining=0,
            lease_until=0,
            started_at=0,
        )

    def is_dead(self, process: ProcessRow) -> bool | None:
        """None where only its lease can tell: of other hosts nothing is known here."""
        if self._is_alone and process.boot_id != this_node().boot_id:
            return True
        return is_gone(
            NodeIdentity(
                host=process.host,
                boot_id=process.boot_id,
                pid_namespace=process.pid_space,
                pid=process.pid,
                started=process.pid_started,
                version=process.version,
            )
        )

    def lease_now(self) -> int:
        return lease_clock_us()


@dataclass(frozen=True)
class Backend:
    """What differs between a file and a server."""

    store: SqlJobStore
    logs: SqlLogStore | PostgresLogStore
    make_wake_up: Callable[[], WakeUp]
    tell: Callable[[], None]
    """Says to all other processes that there is something to look at."""
    is_alone: bool
    """Whether all processes are on this host."""


def open_backend(config: Config, clock: SystemClock) -> Backend:
    """Raises ConfigError where the database's driver is missing, StoreUnavailable where it can't be used."""
    database = open_database(config)
    if isinstance(database, SqliteDatabase):
        store = SqlJobStore(database, clock, lease_clock_us)
        return Backend(
            store=store,
            logs=SqlLogStore(config.data / "logs"),
            make_wake_up=DatagramWakeUp,
            tell=lambda: tell_once(process.port for process in store.processes()),
            is_alone=True,
        )
    from quaero.storage.postgres_logs import PostgresLogStore
    from quaero.storage.postgres_wakeup import PostgresWakeUp, notify_once

    return Backend(
        store=SqlJobStore(database, heard=clock.follow),
        logs=PostgresLogStore(database),
        make_wake_up=lambda: PostgresWakeUp(database),
        tell=lambda: notify_once(database),
        is_alone=False,
    )


def open_database(config: Config) -> SqliteDatabase | PostgresDatabase:
    """The database that the settings name; nothing is opened yet.

    Raises:
        ConfigError: it needs a driver that is not installed, or its URL can't be used.
    """
    match config.database:
        case SqliteFile(path):
            return SqliteDatabase(path, synchronous=config.engine.synchronous)
        case PostgresServer():
            return open_server(config.database, config)


def open_server(server: PostgresServer, config: Config) -> PostgresDatabase:
    """Raises ConfigError where the driver is not installed, or the URL can't be used."""
    try:
        from quaero.storage.postgres import PostgresDatabase, Settings
    except ImportError as error:
        raise ConfigError(f"PostgreSQL needs an extra: pip install 'quaero[postgres]' ({error})") from error
    settings = Settings(readers=config.postgres.readers, answer_s=config.postgres.answer_seconds)
    return PostgresDatabase(server.url, settings)


class App:
    """Everything a command needs, opened. Close it, or use :func:`opened`."""

    def __init__(self, config: Config) -> None:
        make_private_folder(config.data)
        if isinstance(config.database, SqliteFile):
            refuse_network_file_system(config.data)
        self.config = config
        self.clock = SystemClock()
        self.random = Random()  # noqa: S311 - jitter, not a secret
        self.masker = Masker()
        self.backend = open_backend(config, self.clock)
        self.store = self.backend.store
        self.logs = self.backend.logs
        try:
            self._compose(config)
        except BaseException:
            self.logs.close()
            self.store.close()
            raise

    def _compose(self, config: Config) -> None:
        self.documents = SqlDocumentStore(self.store.readers, canonical_source_type)
        self.encryption_key = EncryptionKey(config.data, os.environ)
        self.keys = SqlKeyStore(self.store.database, self.store.readers, self.encryption_key, self.clock)
        self.access = SqlAccessStore(self.store.database, self.store.readers, self.clock)
        self.secrets = SecretResolver(self.keys, os.environ, self.masker)
        self.compute = ProcessCompute(config.engine.processes)
        self.services = Services(documents=self.documents, compute=self.compute, clock=self.clock)
        self.workers = StepManager()
        register_workers(self.workers, self.services)
        self.store.job_types = {w.worker_type: w.job_type for w in self.workers if w.job_type}
        self.definitions = Definitions()
        self.jobs = JobManager(self.workers.needs)
        self.dispatcher = JobDispatcher(self.jobs, self.definitions, self.random)
        self.scheduling = Scheduling(Schedules(self.jobs, self.dispatcher), SqlScheduleStore(self.store.readers))
        self.book = StepBook(self.store, self.workers, self.definitions, config.limits, self.secrets.reveal)
        self.host = ThisHost(is_alone=self.backend.is_alone)
        self.offline = OfflineTurns(
            self.store,
            self.logs,
            self.jobs,
            self.dispatcher,
            self.book.limits,
            self.masker,
            self.host,
            self.backend.tell,
        )

    def engine(self, *, roots: tuple[int, ...] | None = None, executes: bool = True) -> Engine:
        """This process's share in the work; to be started inside an event loop."""
        engine, logs = self.config.engine, self.config.logs
        collector = LogCollector(
            now=self.clock.now,
            limits=LogLimits(
                min_level=logs.level,
                job_head=logs.job_head_lines,
                job_tail=logs.job_tail_lines,
                run_lines=logs.run_lines,
            ),
            masker=self.masker,
        )
        preparer = DocumentPreparer(
            ContractRegistry(documents=CONTRACTS, enrichments=ENRICHMENTS, canonical=canonical_source_type)
        )
        return Engine(
            store=self.store,
            logs=self.logs,
            jobs=self.jobs,
            dispatcher=self.dispatcher,
            book=self.book,
            collector=collector,
            masker=self.masker,
            clock=self.clock,
            host=self.host,
            wake_up=self.backend.make_wake_up(),
            limits=EngineLimits(
                lease_s=engine.lease_seconds,
                renew_s=engine.renew_seconds,
                drain_s=engine.drain_seconds,
                audit_s=engine.audit_seconds,
                planning_slots=engine.planning_slots,
                log_retention_days=logs.retention_days,
            ),
            worker_types=[worker.worker_type for worker in self.workers],
            random=self.random,
            make_pool=lambda flush: WorkerPool(
                slots=engine.slots,
                claim_max=engine.claim_max,
                flush_jobs=engine.flush_jobs,
                flush_lines=engine.flush_lines,
                grace_s=engine.grace_seconds,
                book=self.book,
                collector=collector,
                masker=self.masker,
                prepare=preparer.prepare,
                random=self.random,
                flush=flush,
            ),
            make_planner=lambda write: StepPlanner(
                workers=self.workers,
                dispatcher=self.dispatcher,
                documents=self.documents,
                collector=collector,
                reveal=self.secrets.reveal,
                write=write,
                now=self.clock.now,
            ),
            roots=roots,
            executes=executes,
            capabilities=detected() | frozenset(engine.capabilities),
            key_version=self.encryption_key.version,
            scheduling=self.scheduling,
        )

    def close(self) -> None:
        self.compute.close()
        self.access.close()
        self.logs.close()
        self.store.close()


@contextmanager
def opened(config: Config) -> Iterator[App]:
    app = App(config)
    try:
        yield app
    finally:
        app.close()


def register_workers(workers: StepManager, services: Services) -> None:
    """Call every ``register`` of the entry-point group.

    Raises:
        ConfigError: one of them can't be loaded; names the package.
    """
    for point in sorted(entry_points(group=WORKERS), key=lambda p: p.name):
        try:
            register = point.load()
        except (ImportError, AttributeError, SyntaxError) as error:
            package = point.dist.name if point.dist else point.value
            raise ConfigError(f"worker {point.name!r} of package {package} can't be loaded: {error}") from error
        register(workers, services)


def workers_without_data(config: Config) -> StepManager:
    """The registry alone, for those who look at definitions and workers where there may be no data folder."""
    workers = StepManager()
    # Never asked anything: no worker reads while it is registered.
    documents = SqlDocumentStore(Readers(config.data / DATABASE_NAME), canonical_source_type)
    register_workers(workers, Services(documents=documents, compute=ProcessCompute(1), clock=SystemClock()))
    return workers


def definitions_folder(data: Path) -> Path:
    """Definitions in the data folder are the truth for those who run Quaero as a server."""
    return data / "definitions"
