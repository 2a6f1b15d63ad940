"""A job definition after parsing: what a run pins and every process can read back.

Plain data, stored as JSON with the run. Durations are seconds, parameters are the TOML values
with their placeholders still in place (secrets are resolved only where a job runs).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

OnError = Literal["continue", "fail", "retry", "fatal"]
FailureAction = Literal["stop_all", "continue", "mark_warning"]
Overlap = Literal["skip", "queue", "cancel_previous", "allow"]
Misfire = Literal["skip", "one", "all"]
Severity = Literal["error", "warning"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a definition, at its place. ``line`` and ``column`` count from 1."""

    code: str
    severity: Severity
    message: str
    file: str = ""
    line: int = 1
    column: int = 1
    key: str = ""
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.severity} {self.code}: {self.message}{hint}"


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How often a job of a step is tried again. Back-off in seconds, doubled per failure."""

    max_attempts: int = 1
    backoff: float = 2.0
    max_backoff: float = 60.0
    jitter: bool = True


class Rate(msgspec.Struct, frozen=True):
    """``count`` starts per ``seconds``."""

    count: int
    seconds: float


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Flow control of a step, counted per (worker type, key) over all runs and processes."""

    concurrency: int | None = None
    rate: Rate | None = None
    key: str | None = None


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The step cache; ``hours`` = 0 never hits."""

    enabled: bool = False
    type: Literal["auto", "rolling_time", "hard_time", "none"] = "auto"
    hours: float = 24
    revisions: int = 1


class ErrorTolerance(msgspec.Struct, frozen=True, kw_only=True):
    """Of a run: how many finally failed worker jobs it bears. 0 = no limit."""

    max_child_failures: int = 0
    max_child_failure_percent: float = 0
    failure_action: FailureAction = "continue"


class StepFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The ``filter_*`` keys of a step. Dates are RFC 3339 text."""

    tags: tuple[str, ...] = ()
    source_type: str | None = None
    category: tuple[str, ...] = ()
    created_after: str | None = None
    updated_after: str | None = None
    limit: int | None = None

    def __bool__(self) -> bool:
        return self != StepFilter()


class StepDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One ``[step.<name>]`` table. ``parameters`` are the worker's own keys, placeholders unresolved."""

    name: str
    type: str
    position: int
    description: str = ""
    depends: tuple[str, ...] = ()
    on_error: OnError = "continue"
    always_run: bool = False
    condition: str = ""
    timeout: float | None = None
    job_timeout: float | None = None
    priority: int | None = None
    retry: RetryPolicy = RetryPolicy()
    limits: Limits = Limits()
    cache: CachePolicy = CachePolicy()
    inputs: tuple[str, ...] = ()
    input_tags: tuple[str, ...] = ()
    output_tags: tuple[str, ...] = ()
    filter: StepFilter = StepFilter()
    raw: bool = False
    parameters: dict[str, Any] = {}


class JobDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A whole ``.toml`` file. ``hash`` is over the parsed content, so comments don't matter."""

    id: str
    name: str
    hash: str
    type: str = ""
    job_type: Literal["user", "system"] = "user"
    description: str = ""
    schedule: str = ""
    timezone: str = ""
    schedule_jitter: float = 0
    misfire: Misfire = "one"
    """What happens to slots that were missed."""
    misfire_window: float = 86_400
    """How late a missed slot may be made up for. Seconds."""
    timeout: float | None = None
    enabled: bool = True
    auto_start: bool = False
    authentication: str = ""
    tags: tuple[str, ...] = ()
    extension: bool = False
    url_patterns: tuple[str, ...] = ()
    source_type: str = ""
    base_url: str = ""
    pre_jobs: tuple[str, ...] = ()
    post_jobs: tuple[str, ...] = ()
    post_on: Literal["always", "success"] = "always"
    tolerance: ErrorTolerance = ErrorTolerance()
    config: dict[str, Any] = {}
    max_parallel_steps: int = 4
    priority: int = 0
    overlap: Overlap = "skip"
    steps: tuple[StepDefinition, ...] = ()
    base_dir: str = ""
    """Folder of the file, absolute: relative paths in parameters start here."""

    def step(self, name: str) -> StepDefinition:
        return next(s for s in self.steps if s.name == name)
