"""What the checks of a definition know of the world outside its text, and what they give back."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from quaero.definitions.placeholders import Reference, config_value, is_key_name, looks_like_api_key
from quaero.definitions.worker_docs import DescribedWorker
from quaero.model.definition import Finding, JobDefinition


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A registered worker, as far as a definition can tell: its type, the model of its parameters, words on it."""

    worker_type: str
    config: type[BaseModel]
    description: str = ""
    job_type: str = ""
    documents: tuple[str, ...] = ()
    example: str = ""


def catalog_of(workers: Iterable[DescribedWorker]) -> dict[str, WorkerSpec]:
    """Worker type -> the worker, of those registered."""
    return {
        w.worker_type: WorkerSpec(w.worker_type, w.config, w.description, w.job_type, w.documents, w.example)
        for w in workers
    }


@dataclass(frozen=True, slots=True)
class KnownDefinition:
    """Another definition, of the folder or given along: where it is and which definitions it starts."""

    file: str
    pre_jobs: tuple[str, ...] = ()
    post_jobs: tuple[str, ...] = ()

    @classmethod
    def of(cls, definition: JobDefinition, file: str) -> KnownDefinition:
        return cls(file, definition.pre_jobs, definition.post_jobs)

    def is_in(self, file: str) -> bool:
        return Path(self.file).resolve() == Path(file).resolve()


def peek(text: str, *, file: str) -> tuple[str, KnownDefinition] | None:
    """Id and relations of a definition without checking it; None where the text is no TOML or has no id."""
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError):
        return None
    found = content.get("id")
    if not isinstance(found, str) or not found:
        return None
    return found, KnownDefinition(file, _ids(content.get("pre_jobs")), _ids(content.get("post_jobs")))


def _ids(value: Any) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _no_keys(name: str) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadContext:
    """The world that a definition is checked against. Holds no secrets, only their names."""

    catalog: Mapping[str, WorkerSpec]
    """Worker type -> the worker, of those that can run here."""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Worker type -> what is missing for it here, as ``the extra llm (pip install 'quaero[llm]')``."""
    agent_types: Collection[str] = ()
    """What ``agent_type`` of an agent step may be here."""
    known: Mapping[str, KnownDefinition] = field(default_factory=dict)
    """Definition id -> the definitions of the folder and those given along; may include the one being loaded."""
    has_key: Callable[[str], bool] = _no_keys
    """Whether the key store has a key of this name."""
    environment: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"
    """Zone of a schedule that names none: the server's."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """``--set key=value``: goes into ``[config]`` before anything is checked."""

    def key_exists(self, name: str, config: Mapping[str, Any]) -> bool:
        """Whether ``{name}`` has a value, wherever ``placeholders.find_key`` would find it."""
        if self.has_key(name):
            return True
        if not looks_like_api_key(name):
            return False
        return bool(self.environment.get(name.upper().replace("-", "_"))) or isinstance(config.get(name), str)

    def is_known(self, reference: Reference, config: Mapping[str, Any]) -> bool:
        """Whether a placeholder can be resolved here."""
        if reference.kind == "env":
            return reference.name in self.environment
        if reference.kind == "key":
            return is_key_name(reference.name) and self.key_exists(reference.name, config)
        try:
            config_value(config, reference.name)
        except KeyError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A definition, None when there is an error among the findings; findings sorted by line."""

    definition: JobDefinition | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "error")
