"""Settings: read and checked whole, once, at the start of a process.

The environment (``QUAERO_<SECTION>_<KEY>``) goes before ``quaero.toml`` in the data folder, that before the
defaults. ``QUAERO_DATA`` names the data folder; ``QUAERO_DATABASE`` or ``database`` a database elsewhere, which may
be a PostgreSQL server.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import parse_qs, unquote

from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from quaero.definitions.findings import did_you_mean
from quaero.definitions.toml_places import find_places
from quaero.errors import ConfigError
from quaero.model.definition import Limits, Rate
from quaero.model.log import LogLevel

PREFIX = "QUAERO_"
DATA_VARIABLE = "QUAERO_DATA"
DATABASE_VARIABLE = "QUAERO_DATABASE"
FILE_NAME = "quaero.toml"
DATABASE_NAME = "quaero.db"

STOP_CLAIMING_AT = 0.6
"""Of a lease: a process that has not renewed by then claims no more jobs."""

_RATE = re.compile(r"(?P<count>[1-9]\d{0,8})/(?P<unit>[smh])")
_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_CAPABILITY = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+]+)://(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_SERVER_URL = re.compile(
    r"postgres(?:ql)?://"
    r"(?:(?P<user>[^:@/?#\s]*)(?::[^:@/?#\s]*)?@)?"
    r"(?P<hosts>(?:\[[\da-fA-F:.%]+\]|[^:,@/?#\s\[\]]*)(?::\d+)?(?:,(?:\[[\da-fA-F:.%]+\]|[^:,@/?#\s\[\]]*)(?::\d+)?)*)"
    r"(?:/(?P<name>[^@/?#\s]*))?"
    r"(?:\?(?P<options>[^@#\s]*))?",
    re.IGNORECASE,
)
"""What can be shown of such a URL stands in its groups. One that reads otherwise may have its password anywhere."""
_NOT_SETTINGS = frozenset({"DATA", "DATABASE", "SECRET", "SERVICE"})
"""First words of variables that are read elsewhere; QUAERO_SERVICE_… is made up by Kubernetes."""
_HOST = re.compile(r"(?:\[[\da-f:.]+\]|[\da-f]*(?::[\da-f.]*){2,}|[\w.-]{1,253})", re.IGNORECASE | re.ASCII)
_HOST_AND_PORT = re.compile(rf"(?:\[[\da-f:.]+\]|[\w.-]{{1,253}}):[1-9]\d{{0,4}}|{_HOST.pattern}", _HOST.flags)


def _checked_rate(text: str) -> str:
    if not _RATE.fullmatch(text):
        raise ValueError('must be starts per second, minute or hour: "10/s", "10/m" or "10/h"')
    return text


def _usable_cpus() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _checked_capability(text: str) -> str:
    if not _CAPABILITY.fullmatch(text):
        raise ValueError("must be lower-case letters, digits, '_', '.' and '-'")
    return text


def _checked_host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError("must be a host name or an address, without port")
    return text


def _checked_host_and_port(text: str) -> str:
    if not _HOST_AND_PORT.fullmatch(text):
        raise ValueError("must be host names as browsers show them, with a port where that is not the usual one")
    return text.lower()


def _words(value: object) -> object:
    """A list, from an environment variable: words with commas between them."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
RateText = Annotated[str, AfterValidator(_checked_rate)]
Capability = Annotated[str, AfterValidator(_checked_capability)]
Host = Annotated[str, AfterValidator(_checked_host)]
HostAndPort = Annotated[str, AfterValidator(_checked_host_and_port)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EngineSettings(_Section):
    """``[engine]``: how this process claims and runs jobs."""

    slots: PositiveInt = 128
    """Jobs that run at once in this process."""
    lease_seconds: Seconds = 20
    """How long a process keeps its jobs without a sign of life. Seconds."""
    renew_seconds: Seconds = 5
    """Time between two signs of life; less than 0.6 of the lease. Seconds."""
    drain_seconds: Seconds = 20
    """How long running jobs may go on when the process is asked to stop. Seconds."""
    grace_seconds: Seconds = 30
    """How long a cancelled job has to end by itself. Seconds."""
    claim_max: PositiveInt = 2000
    """The most jobs that one claim takes."""
    flush_jobs: PositiveInt = 250
    """Finished jobs that are committed together at the latest."""
    flush_lines: PositiveInt = 2000
    """Log lines that are committed together at the latest."""
    planning_slots: PositiveInt = 4
    """Steps that are planned at once in this process."""
    processes: PositiveInt = Field(default_factory=_usable_cpus)
    """Child processes for CPU-bound work; by default one per usable CPU."""
    audit_seconds: Seconds = 60
    """Time between two recounts of the counters. Seconds."""
    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    """SQLite's care at each commit. NORMAL is faster; a power cut may then lose the last commits."""
    capabilities: Annotated[tuple[Capability, ...], NoDecode, BeforeValidator(_words)] = Field(default_factory=tuple)
    """What this process can do beyond the ordinary; jobs that need more than it has run elsewhere."""

    @model_validator(mode="after")
    def _renews_in_time(self) -> EngineSettings:
        if self.renew_seconds >= STOP_CLAIMING_AT * self.lease_seconds:
            raise ValueError(
                f"renew_seconds ({self.renew_seconds:g}) must be less than {STOP_CLAIMING_AT:g} "
                f"of lease_seconds ({self.lease_seconds:g})"
            )
        return self


class LogSettings(_Section):
    """``[logs]``: which log lines of jobs are kept, and for how long."""

    job_head_lines: PositiveInt = 10_000
    """Lines of a job that are kept from its start."""
    job_tail_lines: PositiveInt = 1_000
    """Lines of a job that are kept from its end, once the head is full."""
    run_lines: PositiveInt = 1_000_000
    """Lines kept of a run, all its jobs together."""
    retention_days: PositiveInt = 7
    """Whole days after which a day's lines are dropped. Days."""
    level: LogLevel = LogLevel.DEBUG
    """Lines below this level are not kept."""


class PostgresSettings(_Section):
    """``[postgres]``: how this process talks to a PostgreSQL server."""

    readers: PositiveInt = 4
    """Connections for reads, at most; they are opened as they are needed."""
    answer_seconds: Seconds = 30
    """How long an answer may take before the connection is given up as stalled. Seconds."""


class ServerSettings(_Section):
    """``[server]``: where the page and the API are served, and to whom."""

    host: Host = "127.0.0.1"
    """The address to listen on. Any other than this host's own (loopback) asks for a password or an API key."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8085
    """The port to listen on; 0: any free one."""
    hosts: Annotated[tuple[HostAndPort, ...], NoDecode, BeforeValidator(_words)] = Field(default_factory=tuple)
    """Further names under which browsers reach this server; requests for any other are refused."""
    proxy: bool = False
    """All requests come through a reverse proxy: X-Forwarded-* counts, and everybody has to sign in."""
    session_hours: Annotated[float, Field(gt=0, le=24 * 30)] = 12
    """How long somebody who does nothing stays signed in. Hours."""


class WorkerLimits(_Section):
    """``[limits.<worker type>]``: flow control over all runs and processes."""

    concurrency: PositiveInt | None = None
    """Jobs of this worker type that run at once."""
    rate: RateText | None = None
    """Starts per second, minute or hour: ``"10/s"``, ``"10/m"``, ``"10/h"``."""

    def limits(self) -> Limits:
        found = _RATE.fullmatch(self.rate or "")
        rate = Rate(int(found["count"]), _UNIT_SECONDS[found["unit"]]) if found else None
        return Limits(concurrency=self.concurrency, rate=rate)


class Settings(BaseSettings):
    """All sections. Made by :func:`load`, which hands in what ``quaero.toml`` says."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
    )

    database: str = ""
    engine: EngineSettings = Field(default_factory=EngineSettings)
    logs: LogSettings = Field(default_factory=LogSettings)
    postgres: PostgresSettings = Field(default_factory=PostgresSettings)
    server: ServerSettings = Field(default_factory=ServerSettings)
    limits: dict[str, WorkerLimits] = {}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return _Environment(settings_cls), init_settings


_SECTIONS: Mapping[str, type[_Section]] = {
    "engine": EngineSettings,
    "logs": LogSettings,
    "postgres": PostgresSettings,
    "server": ServerSettings,
}
"""But for ``limits``, which has sections of its own."""


class _Environment(EnvSettingsSource):
    """Splits ``QUAERO_LIMITS_<WORKER TYPE>_<KEY>`` at its end, for a worker type has underscores too."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        if limits := values.get("limits"):
            nested: dict[str, Any] = {}
            for name, value in limits.items():
                worker_type, _, key = name.rpartition("_")
                if worker_type and key in WorkerLimits.model_fields:
                    nested.setdefault(worker_type, {})[key] = value
                else:
                    nested[name] = value
            values["limits"] = nested
        return values


@dataclass(frozen=True)
class SqliteFile:
    """The database is a file of this host."""

    path: Path
    """Absolute; it may not exist yet."""

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        return self.path.exists()


@dataclass(frozen=True)
class PostgresServer:
    """The database lies on a server that other nodes may share."""

    url: str = field(repr=False)
    """With the password, if it holds one: not to be shown."""
    shown: str
    """Without it."""

    def __str__(self) -> str:
        return self.shown

    def exists(self) -> bool:
        """Only the server can tell."""
        return True


@dataclass(frozen=True)
class Config:
    """What a process was told, checked. ``origins`` tells for each dotted setting where its value comes from."""

    data: Path
    """The data folder, absolute; it may not exist yet."""
    database: SqliteFile | PostgresServer
    engine: EngineSettings
    logs: LogSettings
    postgres: PostgresSettings
    server: ServerSettings
    limits: Mapping[str, Limits]
    """Worker type -> its limits on this installation."""
    origins: Mapping[str, str]
    """``engine.slots`` -> ``default``, ``quaero.toml`` or ``environment QUAERO_ENGINE_SLOTS``."""


def load(data: Path | None = None) -> Config:
    """The settings of this process; ``data`` (an option of the command line) goes before ``QUAERO_DATA``.

    Raises:
        ConfigError: something in the file or the environment can't be used; one line for each such thing.
    """
    folder, folder_origin = _data_folder(data)
    environment = _variables()
    file = _File.read(folder / FILE_NAME)
    try:
        settings = Settings(**file.values)
    except ValidationError as error:
        places = _Places(file, environment)
        raise ConfigError("\n".join(places.message(detail) for detail in error.errors())) from error
    database = _database(folder, file, environment)
    origins = {"data": folder_origin}
    for path in _leaves(settings):
        origins[".".join(path)] = _origin(path, file, environment)
    return Config(
        data=folder,
        database=database,
        engine=settings.engine,
        logs=settings.logs,
        postgres=settings.postgres,
        server=settings.server,
        limits=MappingProxyType({name: worker.limits() for name, worker in settings.limits.items()}),
        origins=MappingProxyType(origins),
    )


class _File:
    """``quaero.toml``, parsed: values and the lines they stand on."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        try:
            self.values: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"at line (\d+)", str(error))
            number = int(line[1]) if line else text.count("\n") + 1
            raise ConfigError(f"{path}:{number}: not valid TOML: {error}") from error
        self._places = find_places(text)

    @classmethod
    def read(cls, path: Path) -> _File:
        """The file, an empty one where there is none."""
        try:
            return cls(path, path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            return cls(path, "")
        except OSError as error:
            raise ConfigError(f"{path}: can't be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error

    def says(self, path: tuple[str, ...]) -> bool:
        value: Any = self.values
        for name in path:
            if not isinstance(value, dict) or name not in value:
                return False
            value = value[name]
        return True

    def place(self, path: tuple[str, ...]) -> str:
        return f"{self.path}:{self._places.key(path).line}"


@dataclass(frozen=True)
class _Places:
    """Turns what the models refuse into messages that name the place and the fix."""

    file: _File
    environment: Mapping[str, str]

    def message(self, detail: ErrorDetails) -> str:
        # Without the place in a list: the line of the list is found, and the value is shown.
        path = tuple(part for part in detail["loc"] if isinstance(part, str))
        if detail["type"] == "extra_forbidden":
            return self._unknown(path)
        return f"{self._place(path)}: {_reason(detail)}"

    def _place(self, path: tuple[str, ...]) -> str:
        if variable := self.environment.get(_variable(path)):
            return variable
        below = [name for upper, name in self.environment.items() if upper.startswith(f"{_variable(path)}_")]
        if below and not self.file.says(path):
            return ", ".join(below)
        return f"{self.file.place(path)}: {_shown(path)}"

    def _unknown(self, path: tuple[str, ...]) -> str:
        if path == ("keys",):
            return f"{self._place(path)}: not a section; keys are stored with: quaero keys set NAME"
        known = _known(path)
        if _variable(path) in self.environment:
            words = [_variable((*path[:-1], word)) for word in known]
            return _with_hint(f"{self._place(path)}: unknown setting", _variable(path), words)
        kind = "section" if isinstance(self.file.values.get(path[0]), dict) and len(path) == 1 else "key"
        return _with_hint(f"{self._place(path)}: unknown {kind}", path[-1], known)


def _known(path: tuple[str, ...]) -> list[str]:
    """The names that could stand where ``path`` ends."""
    if len(path) == 1:
        return list(Settings.model_fields)
    if path[0] == "limits":
        return list(WorkerLimits.model_fields)
    return list(_SECTIONS[path[0]].model_fields)


def _with_hint(message: str, word: str, known: Iterable[str]) -> str:
    known = list(known)
    hint = did_you_mean(word, known) or "known here: " + ", ".join(known)
    return f"{message}; {hint}"


def _reason(detail: ErrorDetails) -> str:
    if detail["type"] in {"model_type", "dict_type", "model_attributes_type"}:
        return "must be a table of settings"
    message = detail["msg"].removeprefix("Value error, ")
    message = message.replace("Input should be", "must be", 1)
    given = detail["input"]
    return f"{message}, not {given!r}" if isinstance(given, str | int | float) else message


def _shown(path: tuple[str, ...]) -> str:
    *section, key = path
    if section:
        return f"[{'.'.join(section)}] {key}"
    return key if key == "database" else f"[{key}]"


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "_".join(path).upper()


def _leaves(settings: Settings) -> list[tuple[str, ...]]:
    paths: list[tuple[str, ...]] = [("database",)]
    paths += [(section, key) for section, model in _SECTIONS.items() for key in model.model_fields]
    for worker_type, limits in settings.limits.items():
        paths += [("limits", worker_type, key) for key in sorted(limits.model_fields_set)]
    return paths


def _origin(path: tuple[str, ...], file: _File, environment: Mapping[str, str]) -> str:
    if variable := environment.get(_variable(path)):
        return f"environment {variable}"
    return FILE_NAME if file.says(path) else "default"


def _variables() -> dict[str, str]:
    """Our variables that are set and not empty: name in capitals -> name as it is.

    A variable of an unknown section is none of ours (container platforms make such ones up, ``QUAERO_PORT``),
    unless it looks like a slip of the pen.
    """
    found = {name.upper(): name for name, value in os.environ.items() if value and name.upper().startswith(PREFIX)}
    sections = {name.upper() for name in (*_SECTIONS, "limits")}
    for upper, name in found.items():
        section, _, key = upper.removeprefix(PREFIX).partition("_")
        if section in sections and not key:
            raise ConfigError(f"{name}: names a section; set one variable for each key, as in {upper}_<KEY>")
        known = sections | _NOT_SETTINGS
        if section not in known and (near := difflib.get_close_matches(section, known, n=1, cutoff=0.75)):
            raise ConfigError(f"{name}: unknown setting; did you mean {upper.replace(section, near[0], 1)}?")
    return found


def _data_folder(given: Path | None) -> tuple[Path, str]:
    if given is not None:
        return _absolute(given), "command line"
    if named := os.environ.get(DATA_VARIABLE):
        return _absolute(Path(named)), f"environment {DATA_VARIABLE}"
    return _absolute(user_data_path("quaero", appauthor=False)), "default"


def _database(folder: Path, file: _File, environment: Mapping[str, str]) -> SqliteFile | PostgresServer:
    if variable := environment.get(DATABASE_VARIABLE):
        return database_of(os.environ[variable], Path(), variable)
    if named := file.values.get("database"):
        return database_of(named, folder, file.place(("database",)) + ": database")
    return SqliteFile(folder / DATABASE_NAME)


def database_of(named: str, folder: Path, place: str) -> SqliteFile | PostgresServer:
    """The database that a path or URL names. A relative path counts from ``folder``; ``place`` is for messages.

    Raises:
        ConfigError: no such thing can be used; the text itself stays out of the message, it may hold a password.
    """
    url = _URL.fullmatch(named)
    if url is None:
        path = Path(named)
        return SqliteFile(_absolute(path if named.startswith("~") else folder / path))
    scheme = url["scheme"].lower()
    if scheme == "sqlite":
        return SqliteFile(_absolute(folder / url["rest"].removeprefix("/")))
    if scheme in {"postgresql", "postgres"}:
        return _server(named, place)
    raise ConfigError(f"{place}: can't use a {scheme} database; give the path of an SQLite file, or a URL: {_URL_FORM}")


def _server(url: str, place: str) -> PostgresServer:
    found = _SERVER_URL.fullmatch(url)
    if found is None:
        raise ConfigError(
            f"{place}: not a usable PostgreSQL URL; write {_URL_FORM}, "
            "in the password %40 for @, %3A for :, %2F for / and %25 for %"
        )
    options = parse_qs(found["options"] or "")
    hosts = unquote(found["hosts"]) or ",".join(options.get("host", [])) or "localhost"
    port = "".join(f":{number}" for number in options.get("port", []))
    user = f"{unquote(found['user'])}@" if found["user"] else ""
    return PostgresServer(url, f"postgresql://{user}{hosts}{port}/{unquote(found['name'] or '')}")


_URL_FORM = "postgresql://USER:PASSWORD@HOST:PORT/NAME"


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(f"{path}: there is no home folder; name the data folder in {DATA_VARIABLE}") from error


def listening(config: Config, host: str | None, port: int | None) -> Config:
    """With the address of the command line in force, where one is given."""
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    origins = {**config.origins, **{f"server.{key}": f"option --{key}" for key in given}}
    return replace(config, server=config.server.model_copy(update=given), origins=MappingProxyType(origins))


class EffectiveSetting(NamedTuple):
    """One setting as it is in force. No value holds a password."""

    name: str
    value: Any
    origin: str
    description: str


def effective(config: Config) -> list[EffectiveSetting]:
    """All settings, with where each comes from."""
    found = [
        EffectiveSetting("data", str(config.data), config.origins.get("data", ""), "The data folder."),
        EffectiveSetting(
            "database", str(config.database), config.origins.get("database", "default"), "Where everything is stored."
        ),
    ]
    for section, model in _SECTIONS.items():
        values = getattr(config, section)
        for key, info in model.model_fields.items():
            name = f"{section}.{key}"
            value = getattr(values, key)
            found.append(
                EffectiveSetting(
                    name,
                    list(value) if isinstance(value, tuple) else value,
                    config.origins.get(name, "default"),
                    (info.description or "").replace("``", ""),
                )
            )
    for worker_type, limits in sorted(config.limits.items()):
        for key, value in (("concurrency", limits.concurrency), ("rate", limits.rate and _rate_text(limits.rate))):
            if value is not None:
                name = f"limits.{worker_type}.{key}"
                found.append(EffectiveSetting(name, value, config.origins.get(name, ""), "Flow control."))
    return found


def _rate_text(rate: Rate) -> str:
    return f"{rate.count} per {rate.seconds:g} s"
